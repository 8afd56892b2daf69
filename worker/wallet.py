"""The wallet: a mnemonic in a file of mode 0600, read once, never printed and never in a log."""

from __future__ import annotations

import codecs
import os
import re
import stat
from pathlib import Path
from typing import Any

import structlog
from cosmpy.aerial.wallet import LocalWallet
from mnemonic import Mnemonic

from node.config import Config
from node.environment import Settings
from node.errors import WalletError
from node.secrets import Secret

log = structlog.get_logger(__name__)

PREFIX = "allo"
MAX_WALLET_FILE_BYTES = 2000
LENGTHS = frozenset({12, 15, 18, 21, 24})
WORDS_ALONE = "It must be the 12 to 24 English words of a BIP-39 mnemonic, in their order, and nothing else."
NEW_WALLET = "Who has words: allora-node wallet import puts them there. Who has none: allora-node wallet new makes a wallet."

_OF_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKS = " \t\r\n\v\f\xa0\u2000\u2007\u2009\u200b\u202f\u3000\ufeff\"'`´‘’“”„«»‹›,;:.|/()[]{}<>*#-–—_=0123456789"
_NAME = re.compile(r"^[\"']?[A-Za-z_ ]{1,40}[\"']?\s*[:=]")
"""What may stand before the words, as in `mnemonic: …` or `MNEMONIC="…"`."""
_WORD = re.compile(r"[a-z]+")


def wallet_file(settings: Settings, config: Config) -> Path:
    """Where the mnemonic lies: ALLORA_MNEMONIC_FILE, or what config.json says."""
    return settings.allora_mnemonic_file or config.wallet.mnemonic_file


def words_of(text: str) -> list[str]:
    """The words of a mnemonic, however it was written down: in quotes, with commas, numbered, one a line, behind a name.

    ValueError if there is something else in it.
    """
    bare = _NAME.sub("", text.strip(_MARKS)).lower()
    if set(_WORD.sub("", bare)) - set(_MARKS):
        raise ValueError("something else than English words")
    return _WORD.findall(bare)


def read_words(content: bytes) -> Secret:
    """The text that somebody saved or sent; WalletError, without a byte of it, if it is none."""
    try:
        return Secret(content.decode("utf-16" if content.startswith(_OF_UTF_16) else "utf-8-sig"))
    except UnicodeDecodeError:
        raise WalletError("the mnemonic holds something else than English words", hint=WORDS_ALONE) from None


def from_mnemonic(words: Secret) -> Any:
    """The wallet of these words; WalletError, without the words, if they are not a mnemonic."""
    return LocalWallet.from_mnemonic(_as_written(words).get_secret_value(), PREFIX)


def _as_written(words: Secret) -> Secret:
    """In the one form that a wallet is made from and its file holds."""
    try:
        found = words_of(words.get_secret_value())
    except ValueError:
        raise WalletError("the mnemonic holds something else than English words", hint=WORDS_ALONE) from None
    if len(found) not in LENGTHS:
        raise WalletError(f"the mnemonic is not valid: it has {len(found)} words", hint=WORDS_ALONE)
    language = Mnemonic("english")
    unknown = [str(place) for place, word in enumerate(found, 1) if word not in language.wordlist]
    if unknown:
        raise WalletError(f"the mnemonic is not valid: word {', '.join(unknown)} is misspelt", hint=WORDS_ALONE)
    if not language.check(" ".join(found)):
        raise WalletError("the mnemonic is not valid: a word is wrong, or their order is", hint=WORDS_ALONE)
    return Secret(" ".join(found))


def read_wallet(path: Path) -> Any:
    """The wallet of the mnemonic in `path`; WalletError if there is none. Never asks anybody."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_WALLET_FILE_BYTES + 1)
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except PermissionError:
        hint = f"Give it to the user this process runs as: chown {os.getuid()} on that file."
        raise WalletError(f"the mnemonic file {path} cannot be read by this process", hint=hint) from None
    except FileNotFoundError as error:
        raise WalletError(f"the mnemonic file {path} cannot be read: {error.strerror}", hint=NEW_WALLET) from None
    except OSError as error:
        raise WalletError(f"the mnemonic file {path} cannot be read: {error.strerror}", hint=WORDS_ALONE) from None
    if not content.strip():
        raise WalletError(f"the mnemonic file {path} is empty", hint=NEW_WALLET)
    if mode & 0o077:
        log.warning("the mnemonic file can be read by others", file=str(path), mode=f"{mode:04o}", hint=f"chmod 600 {path}")
    try:
        return from_mnemonic(read_words(content))
    except WalletError as error:
        raise WalletError(f"{path}: {error.message}", hint=error.hint) from None


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
    plain = _as_written(words)
    wallet = from_mnemonic(plain)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise WalletError(f"{path} exists already", hint="Move it away first: overwriting it could lose its funds.") from None
    except OSError as error:
        raise WalletError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(plain.get_secret_value() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return wallet
