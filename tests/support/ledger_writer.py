"""Writes into a ledger until it is killed: `python -m tests.support.ledger_writer DATABASE_URL`.

Prints the number of every bar whose answers are acknowledged.
"""

from __future__ import annotations

import itertools
import sys

from forecasting.live.ledger import Ledger, ServedAnswer
from node.database import open_database
from node.durations import MINUTE_MS, Duration
from node.topics import Target, Task

TASK = Task("BTC", Target.LOG_RETURN, Duration.parse("5m"))
TOPICS = (1, 2, 3)


def answer(topic: int, bar: int) -> ServedAnswer:
    """The one answer of a topic at a bar."""
    return ServedAnswer(topic, TASK, bar * MINUTE_MS, "a", 0.0, 1.0, 0.0, 0.0, 1.0)


def main(url: str) -> None:
    ledger = Ledger(open_database(url))
    for bar in itertools.count():
        ledger.record([answer(topic, bar) for topic in TOPICS])
        print(bar, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
