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

from cli.context import find_node
from node.catalogue import CATALOGUE, LABELLED, KnownTopic, LabelledTopic
from node.config import Config
from node.environment import Settings
from node.errors import ChainUnreachableError, ConfigError, NodeError, TopicDiffersError
from node.topics import Topic

if TYPE_CHECKING:
    from worker.chain import Chain


@dataclass(frozen=True, slots=True)
class Line:
    """One topic of the list. From `active` on it is what the chain says, if it was asked; `reason` is why it is not answered."""

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
    reason: str = ""


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
    every = configured | {known.id: _topic(known) for known in CATALOGUE[wanted].values() if known.id not in configured}
    lines = [_line(every[number], number in configured) for number in sorted(every)]
    if live:
        lines = asyncio.run(_ask(settings, config.model_copy(update={"network": wanted}), every, lines))
    lines = sorted([*lines, *map(_not_answered, LABELLED[wanted].values())], key=lambda line: line.id)
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], indent=2))
    else:
        _show(wanted, lines, live)


def _topic(known: KnownTopic) -> Topic:
    return Topic(known.id, known.task, "", known.loss, known.epoch_blocks, "")


def _line(topic: Topic, configured: bool, **more: object) -> Line:
    task = topic.task
    found = (
        topic.id,
        task.token,
        task.target.value,
        str(task.horizon),
        topic.loss,
        topic.epoch_blocks,
        configured,
    )
    return Line(*found, **more)  # type: ignore[arg-type]


def _not_answered(topic: LabelledTopic) -> Line:
    return Line(topic.id, topic.token, "labels", str(topic.horizon), topic.loss, None, False, reason=topic.reason)


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
    from worker.chain import NotFound
    from worker.topic_match import compare

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
    console = Console()
    console.print(table)
    for line in lines:
        if line.reason:
            console.print(f"topic {line.id} is not answered: {line.reason}", soft_wrap=True, highlight=False)
