"""Kills a writer around every statement and every commit: `python -m tests.chaos.killed_database_writer FOLDER WRITER`.

For each n, a copy of the database is written to by a child process that kills itself at its n-th point, until one child gets
through. Points lie before and after everything that is said to the database. Prints, as JSON, the copy and whether the child lived.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pandas as pd
from sqlalchemy import Engine

from forecasting.ledger import Ledger
from market import candle_store
from market.candle_store import CandleStore
from market.candles import COLUMNS
from node.database import Heartbeats, open_database
from node.durations import MINUTE_MS, Interval
from tests.forecasting.ledger_writer import TOPICS, answer

CHUNK: Final = 500
"""Rows in one transaction here, so that few rows make several."""
ROWS: Final = 2 * CHUNK + 1
OLD, NEW = 1.0, 2.0
BEATEN: Final = ("execute", "executemany", "commit")


def candles(price: float, count: int = ROWS) -> pd.DataFrame:
    """Candles at one price, from the beginning of time."""
    frame = pd.DataFrame(dict.fromkeys(COLUMNS, [price] * count))
    frame["open_time"] = range(0, count * MINUTE_MS, MINUTE_MS)
    return frame


def upsert_candles(engine: Engine, price: float = NEW) -> None:
    CandleStore(engine).upsert("BTCUSDT", Interval.MINUTE, candles(price))


def record_answers(engine: Engine, bar: int = 1) -> None:
    Ledger(engine).record([answer(topic, bar) for topic in TOPICS])


def beat(engine: Engine, at_ms: int = 2) -> None:
    Heartbeats(engine).beat("updater", at_ms, {"state": "x" * 5000, "number": at_ms})


WRITERS: Final[dict[str, Callable[[Engine], None]]] = {"candles": upsert_candles, "answers": record_answers, "heartbeat": beat}


def write_before(engine: Engine) -> None:
    """What there is before the writer that is killed begins."""
    upsert_candles(engine, OLD)
    record_answers(engine, 0)
    beat(engine, 1)


def die_at_point(engine: Engine, number: int) -> None:
    """From now on count what is said to the database, and die before or after it."""
    passed = 0

    def point() -> None:
        nonlocal passed
        if passed == number:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    def watch(original: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            point()
            result = original(*args, **kwargs)
            point()
            return result

        return watched

    for name in BEATEN:
        setattr(engine.dialect, f"do_{name}", watch(getattr(engine.dialect, f"do_{name}")))


def main(folder: Path, writer: str) -> None:
    number = 0
    while True:
        copy = folder / f"{writer}-{number}.db"
        shutil.copy(folder / "before.db", copy)
        child = os.fork()
        if child == 0:
            engine = open_database(f"sqlite:///{copy}")
            candle_store.CHUNK = CHUNK
            die_at_point(engine, number)
            WRITERS[writer](engine)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        survived = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        if not survived and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            raise SystemExit(f"child {number} failed with status {status}")
        print(json.dumps({"database": str(copy), "survived": survived}), flush=True)
        if survived:
            return
        number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
