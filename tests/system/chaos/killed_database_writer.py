"""Kills a writer around every statement and every commit: `python -m tests.system.chaos.killed_database_writer FOLDER WRITER`.

For each n, a copy of the database is written to by a child process that kills itself at its n-th point, until one child gets
through. Points lie before and after everything that is said to the database. Prints, as JSON, the copy and whether the child lived.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pandas as pd
from sqlalchemy import Engine

from forecasting.live.ledger import Ledger
from market import candle_store
from market.candle_store import CandleStore
from market.candles import COLUMNS
from node.database import Heartbeats, open_database
from node.durations import MINUTE_MS, Interval
from tests.support.killing import kill_at_each_point
from tests.support.ledger_writer import TOPICS, answer

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


def watch_engine(engine: Engine, point: Callable[[], None]) -> None:
    """From now on there is a point before and after everything that is said to the database."""

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
    def copy(number: int) -> Path:
        return Path(shutil.copy(folder / "before.db", folder / f"{writer}-{number}.db"))

    def write(database: Path, point: Callable[[], None]) -> None:
        engine = open_database(f"sqlite:///{database}")
        candle_store.CHUNK = CHUNK
        watch_engine(engine, point)
        WRITERS[writer](engine)

    kill_at_each_point(copy, write)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
