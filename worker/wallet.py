"""The wallet's mnemonic: from a file, never from an argument, never into a log."""

from __future__ import annotations

from pathlib import Path

from cosmpy.aerial.wallet import LocalWallet
from mnemonic import Mnemonic

from node.config import Config
from node.errors import WalletError
from node.settings import Settings

PREFIX = "allo"
LARGEST_FILE = 1000


def mnemonic_path(settings: Settings, config: Config) -> Path:
    """Where the mnemonic stands: ALLORA_MNEMONIC_FILE wins over config.json."""
    return settings.allora_mnemonic_file or config.wallet.mnemonic_file


def open_wallet(settings: Settings, config: Config) -> LocalWallet:
    """The wallet of the configured file; WalletError, which never shows what the file holds.

    A dry run needs no wallet of its own: without a file it gets one that exists for this run alone.
    """
    path = mnemonic_path(settings, config)
    try:
        words = path.read_text(encoding="utf-8")[:LARGEST_FILE].split()
    except (OSError, UnicodeDecodeError):
        words = []
    if not words and not config.wallet.submit_tx:
        return LocalWallet.from_mnemonic(Mnemonic("english").generate(), prefix=PREFIX)
    if not words:
        hint = "Put the words there, alone in the file and readable by this user only, or set wallet.submitTx to false."
        raise WalletError(f"{path} holds no mnemonic", hint=hint)
    if not Mnemonic("english").check(" ".join(words)):
        raise WalletError(f"{path} holds {len(words)} words that are not a mnemonic", hint="Are all words there, in their order?")
    return LocalWallet.from_mnemonic(" ".join(words), prefix=PREFIX)
