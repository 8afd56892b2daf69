"""`allora-node init`: from nothing to a config.json and a wallet, by asking or by options."""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.options import one_of, read_list, read_one
from cli.wallet import import_wallet, make_wallet
from node.catalogue import CATALOGUE
from node.config import Config, load_config, parse_config
from node.environment import Settings, load_settings
from node.errors import ConfigError

USUAL: Final = {"testnet": (1, 3, 37, 8, 9, 69), "mainnet": (1, 2, 3)}
MNEMONIC: Final = Path("secrets/mnemonic")
FAUCET: Final = "https://faucet.testnet.allora.network"


class WalletWay(StrEnum):
    """Where the wallet comes from."""

    NEW = "new"
    IMPORT = "import"
    NONE = "none"


def init(
    network: Annotated[str | None, typer.Option(help="testnet or mainnet.")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Numbers of topics with commas, or the option given again.")] = None,
    submit: Annotated[bool | None, typer.Option("--submit/--dry-run", help="Submit, or do everything but that.")] = None,
    wallet: Annotated[WalletWay | None, typer.Option(help="Make a wallet, import one from standard input, or do without.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace config.json without asking; the old one is kept beside it.")
    ] = False,
) -> None:
    """Write config.json and, if wanted, secrets/mnemonic, and say what to do next.

    On a terminal it asks for what the options leave open. A config.json that is there is replaced only if you say so, and kept
    as config.json.old; a wallet that is there is never touched.

    Examples:

      allora-node init

      allora-node init --network testnet --topic 1,3,37 --dry-run --wallet none

      allora-node init --topic 1 --submit --wallet import < words.txt
    """
    settings = load_settings()
    path = settings.config_file
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    given = network is not None or topic is not None or submit is not None
    has_words = _holds_words(path)
    if _is_wanted(path, given, force, asks):
        content = _content(network, topic, submit, asks)
        parse_config(json.dumps(content), str(path))
        _write(path, content)
        typer.echo(f"{path} is written")
    config = load_config(path, settings.config_overrides)
    if has_words and config.wallet.address_restore_mnemonic is None:
        typer.echo(f"{path.name}.old holds a mnemonic; allora-node wallet import takes its words")
    has_wallet = _wallet(settings, config, wallet, asks, has_words)
    _say_what_is_next(config, has_wallet)


def _is_wanted(path: Path, given: bool, force: bool, asks: bool) -> bool:
    """Whether config.json is to be written."""
    if force or not path.exists():
        return True
    if asks:
        return typer.confirm(f"{path} is there already. Write a new one? The old one is kept as {path.name}.old", default=given)
    if given:
        raise ConfigError(f"{path} is there already", hint="--force replaces it and keeps the old one beside it.")
    typer.echo(f"{path} is there already and stays as it is")
    return False


def _content(network: str | None, topic: list[str] | None, submit: bool | None, asks: bool) -> dict[str, Any]:
    """What config.json is to say: the options, then the answers, then what is usual."""
    if network is None:
        network = typer.prompt("Network, testnet or mainnet", default="testnet") if asks else "testnet"
    network = read_one("--network", network, one_of(tuple(CATALOGUE)))
    usual = ",".join(map(str, USUAL[network]))
    if topic is None and asks:
        _list_topics(network)
        topic = [typer.prompt("Topics, with commas", default=usual)]
    numbers = read_list("--topic", topic or [usual], _number)
    if submit is None:
        submit = typer.confirm("Submit answers? Without it everything but that is done", default=False) if asks else False
    return {
        "$schema": "docs/config.schema.json",
        "network": network,
        "wallet": {"mnemonicFile": str(MNEMONIC), "submitTx": submit},
        "worker": [{"topicId": number} for number in numbers],
    }


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r} is not a topic's number")
    return int(text)


def _list_topics(network: str) -> None:
    typer.echo(f"\nTopics of {network} that the node knows:")
    for known in CATALOGUE[network].values():
        typer.echo(f"  {known.id:>4}  {known.task.token:<5} {known.task.target.value:<10} {known.task.horizon}")
    typer.echo("")


def _write(path: Path, content: dict[str, Any]) -> None:
    """In one step, through a link to where the file really is, the old one kept beside it."""
    real = path.resolve()
    content = content | {"$schema": os.path.relpath(Path("docs/config.schema.json").resolve(), real.parent)}
    aside = real.with_name(f"{real.name}.new")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        if real.exists():
            os.replace(real, real.with_name(f"{real.name}.old"))
        os.replace(aside, real)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", hint="Check the rights of its folder.") from None


def _holds_words(path: Path) -> bool:
    """Whether a mnemonic stands in the config.json that is there."""
    try:
        return load_config(path).wallet.address_restore_mnemonic is not None
    except ConfigError:
        return False


def _wallet(settings: Settings, config: Config, way: WalletWay | None, asks: bool, has_words: bool) -> bool:
    """Make or import one if there is none; whether there is one now."""
    path = settings.allora_mnemonic_file or config.wallet.mnemonic_file
    if path.exists():
        typer.echo(f"{path} is there already and stays as it is")
        return True
    if way is None and asks:
        usual = WalletWay.IMPORT if has_words else WalletWay.NEW if config.wallet.submit_tx else WalletWay.NONE
        said = typer.prompt("Wallet: new, import or none", default=usual.value)
        way = WalletWay(read_one("--wallet", said, one_of(tuple(WalletWay))))
    if way is WalletWay.NEW:
        make_wallet(path)
    elif way is WalletWay.IMPORT:
        import_wallet(path)
    return way in {WalletWay.NEW, WalletWay.IMPORT}


def _say_what_is_next(config: Config, has_wallet: bool) -> None:
    make_one = ("allora-node wallet new", "makes a wallet, which submitting needs; wallet import takes words that you have")
    fund = ("send ALLO to it", "for fees" + (f"; for nothing at {FAUCET}" if config.network == "testnet" else ""))
    steps = [
        ("allora-node check", "looks whether everything is as it should be"),
        ("make run", "starts the node; or docker compose up"),
        ("allora-node status", "shows how it is doing"),
    ]
    if config.wallet.submit_tx:
        steps = [fund, *steps] if has_wallet else [make_one, fund, *steps]
    else:
        steps.append(('"submitTx": true', "in config.json, with a wallet that has ALLO, once you like what you see"))
    typer.echo("\nNext:")
    for number, (what, why) in enumerate(steps, 1):
        typer.echo(f"  {number}. {what:<23} {why}")
