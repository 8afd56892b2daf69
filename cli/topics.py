"""`allora-node topics`: the catalogue, and with --live what the chain says of each topic now.

The worker's own modules are imported where they are used: only the worker's container has the network's package.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.place import find_node
from node.catalogue import CATALOGUE
from node.config import Config
from node.errors import ChainUnreachableError, ConfigError, NodeError, TopicDiffersError
from node.settings import Settings
from node.topics import Cell, Topic

if TYPE_CHECKING:
    from worker.chain import Chain


@dataclass(frozen=True, slots=True)
class Line:
    """One topic of the list. The last four are what the chain says, if it was asked."""

    id: int
    token: str
    target: str
    horizon: str
    loss: str
    epoch_blocks: int | None
    configured: bool
    active: bool | None = None
    window_blocks: int | None = None
    metadata: str = ""
    remark: str = ""


def topics(
    network: Annotated[str | None, typer.Option(help="testnet or mainnet. Default: config.json's.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the chain about each topic.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the topics that the catalogue or config.json knows."""
    place = find_node()
    settings, config = place.settings, place.config
    wanted = network or config.network
    if wanted not in CATALOGUE:
        raise ConfigError(f"network {wanted!r} is not known", hint=f"Known are {' and '.join(CATALOGUE)}.")
    configured = {topic.id: topic for topic in place.topics} if wanted == config.network else {}
    every = configured | {
        known.id: _topic(known.id, known.cell, known.loss, known.epoch_blocks)
        for known in CATALOGUE[wanted].values()
        if known.id not in configured
    }
    lines = [_line(every[number], number in configured) for number in sorted(every)]
    if live:
        lines = asyncio.run(_ask(settings, config.model_copy(update={"network": wanted}), every, lines))
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], indent=2))
    else:
        _show(wanted, lines, live)


def _topic(number: int, cell: Cell, loss: str, epoch_blocks: int) -> Topic:
    return Topic(number, cell, "", loss, epoch_blocks, "")


def _line(topic: Topic, configured: bool, **more: object) -> Line:
    cell = topic.cell
    found = (topic.id, cell.token, cell.target.value, str(cell.horizon), topic.loss, topic.epoch_blocks, configured)
    return Line(*found, **more)  # type: ignore[arg-type]


async def _ask(settings: Settings, config: Config, topics: dict[int, Topic], lines: list[Line]) -> list[Line]:
    from worker.chain import Chain
    from worker.network import network_of

    chain = Chain(network_of(settings, config))
    try:
        await chain.open(lines[0].id)
        return [await _ask_one(chain, topics[line.id], line) for line in lines]
    finally:
        await chain.close()


async def _ask_one(chain: Chain, topic: Topic, line: Line) -> Line:
    from worker.agreement import compare
    from worker.chain import NotFound

    try:
        found = await chain.topic(topic.id)
    except NotFound:
        return _line(topic, line.configured, active=False, remark="not on the chain")
    except ChainUnreachableError:
        raise
    except NodeError as error:
        return _line(topic, line.configured, remark=error.message)
    try:
        remark = "; ".join(compare(topic, found))
    except TopicDiffersError as error:
        remark = error.message
    seen = {"active": found.active, "window_blocks": found.window, "metadata": found.metadata, "remark": remark}
    return _line(topic, line.configured, **seen)


def _show(network: str, lines: list[Line], live: bool) -> None:
    table = Table(title=f"topics of {network}")
    for name in ("topic", "token", "target", "horizon", "loss", "epoch", "configured"):
        table.add_column(name)
    for name in ("active", "window", "remark") if live else ():
        table.add_column(name)
    for line in lines:
        row = [
            str(line.id),
            line.token,
            line.target,
            line.horizon,
            line.loss,
            str(line.epoch_blocks or ""),
            "yes" * line.configured,
        ]
        if live:
            state = "" if line.active is None else "yes" if line.active else "no"
            row += [state, str(line.window_blocks or ""), line.remark]
        table.add_row(*row)
    Console().print(table)
