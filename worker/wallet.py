"""The wallet: a mnemonic in a file of mode 0600, read once, never printed and never in a log."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import structlog
from cosmpy.aerial.wallet import LocalWallet
from mnemonic import Mnemonic

from node.config import Config
from node.errors import WalletError
from node.secrets import Secret
from node.settings import Settings

log = structlog.get_logger(__name__)

PREFIX = "allo"
LARGEST_FILE = 1000
NEW_WALLET = "allora-node wallet new makes one; or write the words into that file, mode 0600."


def wallet_file(settings: Settings, config: Config) -> Path:
    """Where the mnemonic lies: ALLORA_MNEMONIC_FILE, or what config.json says."""
    return settings.allora_mnemonic_file or config.wallet.mnemonic_file


def _as_written(words: Secret) -> str:
    """In the one form that a wallet is made from and its file holds."""
    return " ".join(words.get_secret_value().split()).lower()


def from_mnemonic(words: Secret) -> Any:
    """The wallet of these words; WalletError, without the words, if they are not a mnemonic."""
    normal = _as_written(words)
    if not Mnemonic("english").check(normal):
        raise WalletError(
            f"the mnemonic is not valid: {len(normal.split())} words were given, or one of them is misspelt",
            hint="It must be the 12 to 24 English words of a BIP-39 mnemonic.",
        )
    return LocalWallet.from_mnemonic(normal, PREFIX)


def read_wallet(path: Path) -> Any:
    """The wallet of the mnemonic in `path`; WalletError if there is none. Never asks anybody."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except PermissionError:
        hint = f"Give it to the user this process runs as: chown {os.getuid()} on that file."
        raise WalletError(f"the mnemonic file {path} cannot be read by this process", hint=hint) from None
    except OSError as error:
        raise WalletError(f"the mnemonic file {path} cannot be read: {error.strerror}", hint=NEW_WALLET) from None
    if not content.strip():
        raise WalletError(f"the mnemonic file {path} is empty", hint=NEW_WALLET)
    if mode & 0o077:
        log.warning("the mnemonic file can be read by others", file=str(path), mode=f"{mode:04o}", hint=f"chmod 600 {path}")
    try:
        return from_mnemonic(Secret(content.decode("ascii")))
    except UnicodeDecodeError:
        raise WalletError(f"the mnemonic file {path} holds something else than English words", hint=NEW_WALLET) from None


def load_wallet(settings: Settings, config: Config) -> Any:
    """The node's wallet; WalletError if there is none."""
    path = wallet_file(settings, config)
    inline = config.wallet.address_restore_mnemonic
    if inline is not None and settings.allora_mnemonic_file is None and not path.exists():
        log.warning(
            "the mnemonic stands in config.json, where it is easily shared by mistake",
            hint="allora-node wallet import moves it into a file of its own; then remove addressRestoreMnemonic.",
        )
        return from_mnemonic(inline)
    return read_wallet(path)


def new_words() -> Secret:
    """A fresh mnemonic of 24 words."""
    return Secret(Mnemonic("english").generate(256))


def write_wallet(path: Path, words: Secret) -> Any:
    """Write the mnemonic into a new file of mode 0600; WalletError if `path` exists: a wallet is never overwritten."""
    wallet = from_mnemonic(words)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise WalletError(f"{path} exists already", hint="Move it away first: overwriting it could lose its funds.") from None
    except OSError as error:
        raise WalletError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(_as_written(words) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return wallet
