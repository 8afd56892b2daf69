"""`allora-node scores`: how good the answers that were served turned out to be."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.context import find_node
from cli.options import Topics, read_one
from cli.progress import print_table
from node.clock import SystemClock
from node.durations import Duration

FIGURES = {
    "n": 0,
    "skill": 4,
    "ratio": 4,
    "directional_accuracy": 3,
    "dm": 2,
    "coverage_90": 3,
    "loss": 8,
    "log10_loss": 4,
    "baseline_log10_loss": 4,
}


def scores(
    topic: Topics = None,
    over: Annotated[
        str | None, typer.Option(help="How far back, such as 7d. Default: a week, or 30 horizons if that is more.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every figure.")] = False,
) -> None:
    """Score what was submitted, by the judge of backtests: all of a topic together, then version by version.

    Where nothing that the worker took has been judged yet, all answers that were served are scored instead. Only those whose
    horizon has passed are judged. Skill above 0 and ratio below 1 are better than the baseline.

    Examples:

      allora-node scores --over 24h

      allora-node scores --topic 3 --json
    """
    from forecasting.live.ledger import Ledger
    from forecasting.live.live_scores import live_scores, shown_ms, submitted_scores
    from node.database import open_database

    place, now_ms = find_node(), SystemClock().now_ms()
    reach = read_one("--over", over, Duration.parse).ms if over else None
    ledger = Ledger(open_database(place.settings.database_url))
    rows: list[dict[str, Any]] = []
    for each in place.chosen(topic):
        since_ms = now_ms - (reach or shown_ms(each.task))
        submitted = submitted_scores(ledger, each, since_ms=since_ms)
        found = submitted or live_scores(ledger, each, since_ms=since_ms)
        name = {
            "topic_id": each.id,
            "model": str(each.task),
            "answers": ledger.count(each.id, since_ms=since_ms),
            "submissions": ledger.submissions.count(each.id, since_ms=since_ms),
            "basis": "submissions" if submitted else "answers",
        }
        rows += [name | score.to_dict() for score in found] or [name | {"version": None, "n": 0}]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        print_table(_table(rows))


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("topic", "version", "answers", "submissions", "of")
    for name in FIGURES:
        table.add_column(name, justify="right")
    for row in rows:
        figures = (_shown(row.get(name), decimals) for name, decimals in FIGURES.items())
        whole = row["version"] is None
        table.add_row(
            f"{row['topic_id']} {row['model']}" if whole else "",
            row["version"] or "all",
            str(row["answers"]) if whole else "",
            str(row["submissions"]) if whole else "",
            row["basis"] if whole else "",
            *figures,
        )
    return table


def _shown(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
