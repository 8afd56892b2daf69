"""How long a poll of candles, champions and config takes when nothing has changed, with as many topics as config.json takes.

A poll is due every half second. The yardstick is asking SQLite itself for the newest candle of every series that the topics read.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from node.durations import Duration
from node.logs import configure_logs
from node.topics import Target, Task
from tests.inference.conftest import Node

TOPICS = 200
TOKENS = [f"{first}{second}" for first in "ABCDEFGHIJ" for second in "KLMNOPQRST"]
HORIZONS = ("10m", "24h")
GOAL_SECONDS = 0.25
ROUNDS = 15
NEWEST = "SELECT max(open_time) FROM candles WHERE symbol = ? AND interval = ? AND open_time <= ? AND low > 0"


def seconds(action: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return taken


def main() -> None:
    """Measure and print."""
    configure_logs("benchmark", "error")
    tasks = [Task(token, Target.PRICE, Duration.parse(horizon)) for token in TOKENS for horizon in HORIZONS]
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder), [3])
        entries = [
            {"topicId": 1000 + number, "parameters": {"Token": task.token, "Target": "price", "Horizon": str(task.horizon)}}
            for number, task in enumerate(tasks[:TOPICS])
        ]
        node.config_path.write_text(json.dumps({"worker": entries}))
        for task in tasks:
            node.store_candles(task)
            node.promote(task, 0.0)
        node.watcher.poll()
        states = node.current.snapshot.states
        assert len(states) == TOPICS
        assert all(state.refusal(node.clock.now_ms()) is None for state in states)
        polls = seconds(node.watcher.poll)
        series = {(source.symbol, source.interval.value) for state in states for source in state.freshness.sources}
        database = sqlite3.connect(f"{folder}/node.db")
        now = node.clock.now_ms()
        bare = seconds(lambda: [database.execute(NEWEST, (*one, now)).fetchone() for one in series])
        database.close()
        node.engine.dispose()
    table = Table("what", "median", "slowest", title=f"one idle poll of {TOPICS} topics over {len(series)} series, seconds")
    for what, taken in (("a poll", polls), ("yardstick: the newest candles, asked of SQLite itself", bare)):
        table.add_row(what, f"{median(taken):.4f}", f"{max(taken):.4f}")
    Console().print(table)
    decision = "reached" if median(polls) <= GOAL_SECONDS else "MISSED"
    print(f"goal: an idle poll in at most {GOAL_SECONDS} s: {decision} ({median(polls):.3f} s)")


if __name__ == "__main__":
    main()
