"""`allora-node wallet`: make, show or import the wallet. The words are printed once, when they are made, and never again.

The worker's own modules are imported where they are used: the network's package takes a second to load, and only the worker's
container has it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.context import find_node
from node.allo import UALLO_PER_ALLO
from node.config import Config
from node.environment import Settings
from node.errors import ChainError, WalletError
from node.secrets import Secret

app = typer.Typer(help="Make, show or import the node's wallet.", no_args_is_help=True)

MAX_WORDS_BYTES = 2000

File = Annotated[Path | None, typer.Option("--file", help="The mnemonic's file. Default: ALLORA_MNEMONIC_FILE, or config.json's.")]


def _place(file: Path | None) -> tuple[Settings, Config, Path]:
    from worker.wallet import wallet_file

    place = find_node()
    settings, config = place.settings, place.config
    if file is not None:
        settings = settings.model_copy(update={"allora_mnemonic_file": file})
    return settings, config, wallet_file(settings, config)


@app.command()
def new(file: File = None) -> None:
    """Make a wallet, write its words into a file of mode 0600, and show them this one time."""
    _, _, path = _place(file)
    make_wallet(path)


def make_wallet(path: Path) -> None:
    """Make one in `path`, and show its words on a terminal this one time."""
    from worker.wallet import new_words, write_wallet

    words = new_words()
    wallet = write_wallet(path, words)
    if sys.stdout.isatty():
        typer.echo(f"Write these words down and keep them safe; they are not shown again:\n\n{words.get_secret_value()}\n")
    typer.echo(f"{path}: {wallet.address()}")


@app.command("import")
def import_(file: File = None) -> None:
    """Take the words from standard input, or ask for them, and write them into a file of mode 0600."""
    _, _, path = _place(file)
    import_wallet(path)


def import_wallet(path: Path) -> None:
    """Read the words from the terminal or from standard input, and write them into `path`."""
    from worker.wallet import read_words, write_wallet

    # Never an argument: arguments stand in the process list and in the shell's history.
    if sys.stdin.isatty():
        words = Secret(typer.prompt("Mnemonic", hide_input=True))
    else:
        words = read_words(sys.stdin.buffer.read(MAX_WORDS_BYTES))
    typer.echo(f"{path}: {write_wallet(path, words).address()}")


@app.command()
def show(
    file: File = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the chain for the balance.")] = False,
) -> None:
    """Show the wallet's address and its balance; never its words."""
    from worker.wallet import load_wallet

    settings, config, _ = _place(file)
    address = str(load_wallet(settings, config).address())
    typer.echo(f"address  {address}")
    if not offline:
        typer.echo(f"balance  {asyncio.run(_balance(settings, config, address))}")


async def _balance(settings: Settings, config: Config, address: str) -> str:
    from worker.chain import Chain
    from worker.network import network_of

    chain: Any = Chain(network_of(settings, config))
    try:
        await chain.open(config.worker[0].topic_id)
        return f"{await chain.balance(address) / UALLO_PER_ALLO:g} ALLO"
    except WalletError:
        raise
    except ChainError as error:
        return f"unknown: {error.message}"
    finally:
        await chain.close()
