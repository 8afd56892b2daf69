"""How long 90 days of minutes take to be stored and read back, beside reading the same candles from a Parquet file.

Parquet is the yardstick because nothing reads a whole frame faster; it can neither be updated by the minute nor be read by one
process while another writes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pandas as pd
from rich.console import Console
from rich.table import Table

from market.candle_store import CandleStore
from node.database import open_database
from node.durations import DAY_MS, HOUR_MS, Interval
from simulator.exchange.candles import VALUES
from simulator.exchange.synthetic import SyntheticMarket

DAYS = 90
END_MS = 20_300 * DAY_MS
SYMBOL = "BTCUSDT"
MINUTE = Interval.MINUTE
GOAL_SECONDS = 1.0
REPEATS = 7


def seconds(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median of `repeats` runs."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return median(taken)


def made_candles() -> pd.DataFrame:
    candles = SyntheticMarket(seed=1, days=DAYS).candles(SYMBOL, MINUTE, END_MS).between(END_MS - DAYS * DAY_MS, END_MS - 1)
    return pd.DataFrame({"open_time": candles.open_time} | dict(zip(VALUES, candles.values.T, strict=True)))


def main() -> None:
    """Measure and print."""
    candles = made_candles()
    first, last = int(candles["open_time"].iloc[0]), int(candles["open_time"].iloc[-1])
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{folder}/candles.db")
        store, parquet = CandleStore(engine), Path(folder, "candles.parquet")
        written = seconds(lambda: store.upsert(SYMBOL, MINUTE, candles), 1)
        replaced = seconds(lambda: store.upsert(SYMBOL, MINUTE, candles.tail(2)))
        read = seconds(lambda: store.window(SYMBOL, MINUTE, first, last))
        newest = seconds(lambda: store.last(SYMBOL, MINUTE, 1000))
        gaps = seconds(lambda: store.gaps(SYMBOL, MINUTE, first - HOUR_MS, last))
        size = sum(path.stat().st_size for path in Path(folder).glob("candles.db*")) / 1e6
        engine.dispose()
        candles.to_parquet(parquet, index=False)
        yardstick = seconds(lambda: pd.read_parquet(parquet))
        table = Table(title=f"candle store: {len(candles):,} minutes ({DAYS} days), {size:.0f} MB of SQLite")
        for name in ("what", "milliseconds", "candles a second"):
            table.add_column(name, justify="left" if name == "what" else "right")
        for what, took, count in (
            ("write all", written, len(candles)),
            ("write the newest two", replaced, 2),
            ("read all into a frame", read, len(candles)),
            ("read the newest 1000", newest, 1000),
            ("look for gaps", gaps, len(candles)),
            ("yardstick: read all from Parquet", yardstick, len(candles)),
        ):
            table.add_row(what, f"{took * 1000:.1f}", f"{count / took:,.0f}")
        Console().print(table)
        decision = "reached" if read < GOAL_SECONDS else "MISSED"
        print(f"goal: {DAYS} days of minutes into a frame in less than {GOAL_SECONDS:.0f} s: {decision} ({read:.2f} s)")


if __name__ == "__main__":
    main()
