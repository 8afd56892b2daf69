"""How long anybody stands still beside years of rows: nine tokens' minutes of five years, and ten million answers.

The yardstick is reading as many rows as one token has by SQLite itself, of which nothing here may take more than a part. The
database is made in `build/years.db` once, which takes minutes and three gigabytes.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from forecasting.live.ledger import Ledger
from market.candle_store import CandleStore
from node.database import create_tables, metadata, open_database
from node.durations import DAY_MS, Interval

TOKENS = ("BTC", "ETH", "SOL", "BNB", "XRP", "DOGE", "ADA", "LINK", "AVAX")
YEARS = 5
MINUTES = YEARS * 365 * 1440
TOPICS = 20
ANSWERS = 10_000_000
NOW_MS = 20_300 * DAY_MS
GOAL_SECONDS = 0.5
FORGOTTEN_DAYS = 60

CANDLES_OF = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :count - 1)
INSERT INTO candles
(symbol, interval, open_time, open, high, low, close, volume, quote_volume, trades, taker_base, taker_quote, source)
SELECT :symbol, '1m', :start + i * 60000, 100, 101, 99, 100.5, 1, 100, 5, 0.5, 50, 'binance' FROM n
"""
ANSWERS_OF = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :count - 1)
INSERT INTO answers
(topic_id, made_from, for_when, token, target, horizon, version, value, last_price, forecast, baseline, scale)
SELECT :topic, :start + i * 60000, :start + i * 60000 + 360000,
       'BTC', 'price', '5m', '20260101T000000Z-abcdef', 100, 100, 0, 0, 0.001 FROM n
"""


def make(path: Path) -> None:
    """The database, unless it is there."""
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    aside = path.with_suffix(".making")
    aside.unlink(missing_ok=True)
    engine = open_database(f"sqlite:///{aside}")
    CandleStore(engine)
    create_tables(engine, metadata.tables["answers"])
    engine.dispose()
    database = sqlite3.connect(aside, isolation_level=None)
    database.execute("PRAGMA journal_mode=OFF")
    for symbol in sorted(TOKENS):
        start = NOW_MS - MINUTES * 60_000
        database.execute(CANDLES_OF, {"count": MINUTES, "symbol": f"{symbol}USDT", "start": start})
    for topic in range(1, TOPICS + 1):
        count = ANSWERS // TOPICS
        database.execute(ANSWERS_OF, {"count": count, "topic": topic, "start": NOW_MS - count * 60_000})
    database.close()
    aside.rename(path)


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


class Writer(threading.Thread):
    """Writes the newest candle again and again, as the updater does beside a deletion: the longest that one writing took."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True)
        self._store = CandleStore(engine)
        self._newest = self._store.last("BTCUSDT", Interval.MINUTE, 1)
        self.done = threading.Event()
        self.longest = 0.0

    def run(self) -> None:
        while not self.done.wait(0.05):
            self.longest = max(self.longest, seconds(lambda: self._store.upsert("BTCUSDT", Interval.MINUTE, self._newest)))


def main() -> None:
    """Measure and print."""
    path = Path("build/years.db")
    make(path)
    engine = open_database(f"sqlite:///{path}")
    store, ledger = CandleStore(engine), Ledger(engine)
    pairs = [(f"{token}USDT", Interval.MINUTE) for token in TOKENS]
    with engine.connect() as connection:
        yardstick = seconds(
            lambda: connection.exec_driver_sql("SELECT sum(close) FROM candles WHERE symbol = 'BTCUSDT'").fetchall()
        )
    rows = {
        "which series there are": seconds(store.series),
        "the newest candle of every series": seconds(lambda: [store.newest(*pair, NOW_MS) for pair in pairs]),
        "forget answers, with nothing to forget": seconds(lambda: ledger.prune(0)),
        "forget candles, with nothing to forget": seconds(lambda: [store.prune(*pair, 0) for pair in pairs]),
    }
    writer = Writer(open_database(f"sqlite:///{path}"))
    writer.start()
    oldest = NOW_MS - MINUTES * 60_000
    forgetting = seconds(lambda: store.prune("BTCUSDT", Interval.MINUTE, oldest + FORGOTTEN_DAYS * DAY_MS))
    journal = Path(f"{path}-wal").stat().st_size / 1e6
    writer.done.set()
    writer.join()
    with engine.begin() as connection:
        connection.exec_driver_sql(CANDLES_OF, {"count": FORGOTTEN_DAYS * 1440, "symbol": "BTCUSDT", "start": oldest})
    rows[f"write a candle while {FORGOTTEN_DAYS} days are forgotten in {forgetting:.1f} s"] = writer.longest
    table = Table("what", "seconds", title=f"{len(TOKENS) * MINUTES / 1e6:.1f} M candles and {ANSWERS / 1e6:.0f} M answers")
    for what, took in rows.items():
        table.add_row(what, f"{took:.4f}")
    table.add_row(f"yardstick: read {MINUTES / 1e6:.1f} M rows of one token", f"{yardstick:.4f}")
    Console().print(table)
    slowest = max(rows.values())
    print(f"goal: nobody stands still for {GOAL_SECONDS} s: {'reached' if slowest <= GOAL_SECONDS else 'MISSED'} ({slowest:.3f} s)")
    print(f"the journal grew to {journal:.0f} MB while {FORGOTTEN_DAYS} days were forgotten")
    engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
