"""`allora-node truth`: which interval a nonce asks about, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.context import find_node
from cli.options import instant_ms, read_list, read_one, token_of
from cli.progress import print_table
from node.durations import Duration, Interval
from node.errors import ConfigError
from node.timestamps import utc_text
from node.topics import Target, Task, check_horizon
from node.truth import TopicInterval, priced_by

SHOWN_MISSING = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """A nonce's time and its interval."""

    nonce_ms: int
    interval: TopicInterval


def truth(
    nonce_time: Annotated[list[str], typer.Argument(help="When the nonce's block was made: a UTC date, or milliseconds.")],
    topic: Annotated[int | None, typer.Option("--topic", "-t", help="The topic's number in config.json.")] = None,
    token: Annotated[str | None, typer.Option(help="Instead of a topic: such as BTC.")] = None,
    target: Annotated[str | None, typer.Option(help="price, log_return or volatility.")] = None,
    horizon: Annotated[str | None, typer.Option(help="Such as 10m or 8h.")] = None,
    candles: Annotated[
        list[Path] | None, typer.Option(exists=True, file_okay=False, help="Folder of Parquet files. Default: the node's database.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which interval a nonce asks about, and what came of it in the network's unit.

    The interval begins at the nonce's time rounded down to the minute. Where a one-minute candle that decides the truth is missing
    there is no value, and the moments without a price are named.

    Examples:

      allora-node truth 2026-11-20T12:08:53 --topic 3

      allora-node truth 1762603733900 --token BTC --target volatility --horizon 15m --candles DIR --json
    """
    task = _task(topic, token, target, horizon)
    moments = read_list("NONCE_TIME", nonce_time, _moment_ms)
    asked = [Asked(moment, TopicInterval.of_nonce(task, moment)) for moment in moments]
    price_at = _recorded(task, candles) if candles else _stored(task, asked)
    rows = [_row(each, price_at) for each in asked]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        print_table(_table(task, rows))


def _task(topic: int | None, token: str | None, target: str | None, horizon: str | None) -> Task:
    if topic is not None:
        if token or target or horizon:
            raise ConfigError("--topic says it all", hint="Leave --token, --target and --horizon out, or --topic.")
        return find_node().topic(topic).task
    if not (token and target and horizon):
        raise ConfigError("which topic is not clear", hint="Give --topic, or --token, --target and --horizon.")
    span = read_one("--horizon", horizon, lambda text: check_horizon(Duration.parse(text)))
    return Task(read_one("--token", token, token_of), read_one("--target", target, Target), span)


def _moment_ms(text: str) -> int:
    """Milliseconds, or a UTC date."""
    return int(text) if text.isascii() and text.isdigit() and len(text) > 8 else instant_ms(text)


def _recorded(task: Task, folders: list[Path]) -> Callable[[int], float | None]:
    from market.recorded_candles import CandleFiles

    minutes = CandleFiles(folders).candles(task.token, Interval.MINUTE)
    closes = dict(zip(minutes["open_time"].tolist(), minutes["close"].tolist(), strict=True))
    return lambda moment: closes.get(priced_by(moment))


def _stored(task: Task, asked: list[Asked]) -> Callable[[int], float | None]:
    from market.candle_store import CandleStore
    from node.database import open_database

    opened = sorted({priced_by(moment) for each in asked for moment in each.interval.moments})
    store = CandleStore(open_database(find_node().settings.database_url))
    closes = store.closes(task.symbol, Interval.MINUTE, opened)
    return lambda moment: closes.get(priced_by(moment))


def _row(asked: Asked, price_at: Callable[[int], float | None]) -> dict[str, Any]:
    found = asked.interval.truth(price_at)
    return {
        "nonce_time": asked.nonce_ms,
        "base": utc_text(asked.interval.base_ms),
        "end": utc_text(asked.interval.end_ms),
        "base_ms": asked.interval.base_ms,
        "end_ms": asked.interval.end_ms,
        "truth": found.value,
        "missing": [utc_text(moment) for moment in found.missing],
    }


def _table(task: Task, rows: list[dict[str, Any]]) -> Table:
    table = Table("base", "end", "truth", title=str(task))
    for row in rows:
        table.add_row(row["base"], row["end"], " ".join(_words(row)))
    return table


def _words(row: dict[str, Any]) -> Iterator[str]:
    if row["truth"] is not None:
        yield repr(row["truth"])
        return
    missing = row["missing"]
    yield f"[yellow]no price at {', '.join(missing[:SHOWN_MISSING])}[/yellow]"
    if len(missing) > SHOWN_MISSING:
        yield f"[yellow]and {len(missing) - SHOWN_MISSING} others[/yellow]"
