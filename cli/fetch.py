"""`allora-node fetch`: bring the candles of the topics up to date, as the updater does all the time."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from cli.context import Place, find_node
from cli.options import Topics
from cli.progress import amounts, print_table
from node.clock import SystemClock
from node.errors import MarketError


def fetch(
    topic: Topics = None,
    days: Annotated[int | None, typer.Option(min=1, max=730, help="Days of minutes. Default: updater.historyDays.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fetch the candles that the topics learn from, from the sources in config.json, and mend what is missing.

    The updater does the same by itself; this is for filling a database ahead of it, or beside it. What was fetched is kept, so a
    second call goes on where the first was stopped. Exit code 1 if some candles could not be had.

    Examples:

      allora-node fetch

      allora-node fetch --topic 3 --topic 14 --days 30
    """
    from market.candle_store import CandleStore
    from market.sources import open_sources
    from node.database import open_database
    from updater.candle_sync import needed_history

    place = _with_days(find_node(), days)
    clock = SystemClock()
    store = CandleStore(open_database(place.settings.database_url))
    sources = open_sources(place.settings, clock, place.config.updater.sources)
    rows: list[dict[str, object]] = []
    problems: list[MarketError] = []
    for series, reach_ms in sorted(needed_history(place.config, place.chosen(topic)).items()):
        row: dict[str, object] = {"symbol": series.symbol, "interval": series.interval.value}
        with amounts(f"{series.symbol} {series.interval}") as show:
            try:
                done = sources.refresh(store, series.symbol, series.interval, reach_ms, show, with_archive=True)
            except MarketError as error:
                problems.append(error)
                rows.append(row | {"problem": error.message})
                continue
        row |= {"stored": done.stored, "have": done.have, "want": done.want, "holes": done.gaps}
        if done.alert is not None:
            problems.append(done.alert)
            row["problem"] = done.alert.message
        rows.append(row)
    sources.close()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        print_table(_table(rows))
    if problems:
        raise problems[0]


def _with_days(place: Place, days: int | None) -> Place:
    if days is None:
        return place
    section = place.config.updater.model_copy(update={"history_days": days})
    return Place(place.settings, place.config.model_copy(update={"updater": section}), place.topics)


def _table(rows: list[dict[str, object]]) -> Table:
    table = Table()
    for name in ("symbol", "interval"):
        table.add_column(name)
    for name in ("stored", "have", "want", "holes"):
        table.add_column(name, justify="right")
    table.add_column("problem")
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in ("symbol", "interval", "stored", "have", "want", "holes", "problem")))
    return table
