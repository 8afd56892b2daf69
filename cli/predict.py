"""`allora-node predict`: what inference would answer now, from the same candles and champions, without any process running."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.context import Place, find_node
from cli.options import Topics
from cli.progress import print_table
from node.clock import SystemClock
from node.errors import NotReadyError
from node.topics import Topic

if TYPE_CHECKING:
    from inference.answers.snapshot import TopicState
    from inference.routes.topics import TopicShown
    from market.candle_store import CandleStore
    from model_store.store import ModelStore


def predict(
    topic: Topics = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask each topic's champion for a forecast from the newest candles that are stored.

    The answer is the one that inference serves, digit for digit, and refused for the same reasons: no model, or a candle that is
    overdue. Exit code 1 if no topic has an answer.

    Examples:

      allora-node predict

      allora-node predict --topic 3 --json
    """
    from inference.routes.topics import show_topic
    from market.candle_store import CandleStore
    from model_store.store import ModelStore
    from node.database import open_database

    place, clock = find_node(), SystemClock()
    candles = CandleStore(open_database(place.settings.database_url))
    models = ModelStore(place.settings.model_store, clock)
    rows = []
    for each in place.chosen(topic):
        state = _state(place, each, candles, models, clock.now_ms())
        rows.append(show_topic(state, clock.now_ms(), None))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        print_table(_table(rows))
    if not any(row["ready"] for row in rows):
        raise NotReadyError(
            "no topic has an answer now", retry_after=60, hint="The list says why; fetch and train, or start the updater."
        )


def _state(place: Place, topic: Topic, candles: CandleStore, models: ModelStore, now_ms: int) -> TopicState:
    from inference.answers.forecaster import Forecaster
    from inference.answers.freshness import Freshness
    from inference.answers.snapshot import Problem, TopicState

    forecaster = Forecaster(topic.task, models)
    forecaster.follow_champion(now_ms)
    sources = forecaster.sources(candles.newest, now_ms)
    missing = Problem("there is no model yet", "allora-node train makes one.")
    outcome = forecaster.outcome(candles, sources) or missing
    freshness = Freshness(sources, place.config.inference.stale_after)
    return TopicState(topic, freshness, forecaster.champion, outcome)


def _table(rows: list[TopicShown]) -> Table:
    table = Table("topic", "answer", "made from", "champion")
    for row in rows:
        name = f"{row['topic_id']} {row['token']} {row['target']} {row['horizon']}"
        answer = row["answer"] if row["ready"] else f"[yellow]{row['reason']}[/yellow]"
        table.add_row(name, answer, row["made_from"] or "–", row["champion"] or "–")
    return table
