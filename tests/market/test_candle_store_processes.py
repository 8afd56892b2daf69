"""Several processes over one candle store: readers while another writes, a killed writer, an old database."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pandas as pd

from market.candle_store import CandleStore
from market.candles import check_candles
from node.database import open_database
from tests.support.market_candles import MINUTE, NOW_MS, make_candles
from tests.support.paths import ROOT

START = NOW_MS - 10_000 * MINUTE.ms
STEP = MINUTE.ms


WRITER = """
import sys, time
from market.candle_store import CandleStore
from node.database import open_database
from tests.support.market_candles import MINUTE, make_candles
store = CandleStore(open_database(sys.argv[1]))
start, chunks = int(sys.argv[2]), int(sys.argv[3])
for chunk in range(chunks):
    store.upsert("BTCUSDT", MINUTE, make_candles(start + chunk * 500 * MINUTE.ms, 500))
    print(chunk, flush=True)
"""

READER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from market.candle_store import CandleStore
from market.candles import check_candles
from node.database import open_database
from tests.support.market_candles import MINUTE
store = CandleStore(open_database(sys.argv[1]))
start, wanted, seen = int(sys.argv[2]), int(sys.argv[3]), 0
while seen < wanted:
    candles = check_candles(store.window("BTCUSDT", MINUTE, start, start + wanted * MINUTE.ms), MINUTE, 2**53)
    assert len(candles) % 500 == 0, f"half a chunk: {len(candles)}"
    assert len(candles) >= seen, "candles vanished"
    seen = len(candles)
"""


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_processes_read_whole_chunks_while_another_writes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/node.db"
    processes = [run(READER, url, START, 20 * 500) for _ in range(2)] + [run(WRITER, url, START, 20)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors


def test_a_killed_writer_leaves_whole_chunks_and_another_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/node.db"
    writer = run(WRITER, url, START, 100_000)
    assert writer.stdout is not None
    for _ in range(3):
        writer.stdout.readline()
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate(timeout=60)
    engine = open_database(url)
    store = CandleStore(engine)
    candles = store.window("BTCUSDT", MINUTE, 0, 2**53)
    assert len(candles) >= 1500
    assert len(candles) % 500 == 0
    check_candles(candles, MINUTE, 2**53)
    assert store.upsert("BTCUSDT", MINUTE, make_candles(START - STEP, 1)) == 1
    engine.dispose()


OLD_TABLE = """CREATE TABLE candles (symbol VARCHAR(20) NOT NULL, interval VARCHAR(4) NOT NULL, open_time BIGINT NOT NULL,
open DOUBLE NOT NULL, high DOUBLE NOT NULL, low DOUBLE NOT NULL, close DOUBLE NOT NULL, volume DOUBLE NOT NULL, quote_volume DOUBLE,
trades DOUBLE, taker_base DOUBLE, taker_quote DOUBLE, PRIMARY KEY (symbol, interval, open_time)) WITHOUT ROWID"""


def old_database(path: Path) -> pd.DataFrame:
    """A file from before sources were kept, and the candles in it."""
    candles = make_candles(START, 50)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(OLD_TABLE)
        rows = [("BTCUSDT", "1m", *row) for row in candles.itertuples(index=False)]
        connection.executemany(f"INSERT INTO candles VALUES ({','.join('?' * 12)})", rows)
    return candles


def test_an_old_database_gets_its_column_of_sources_and_keeps_its_candles(tmp_path: Path) -> None:
    candles = old_database(tmp_path / "node.db")
    engine = open_database(f"sqlite:///{tmp_path}/node.db")
    for _ in range(2):
        store = CandleStore(engine)
        pd.testing.assert_frame_equal(store.window("BTCUSDT", MINUTE, 0, NOW_MS), candles)
        assert store.sources("BTCUSDT", MINUTE, 0, NOW_MS) == {"binance": 50}
    store.upsert("BTCUSDT", MINUTE, make_candles(START + 50 * STEP, 5), "kraken")
    assert store.sources("BTCUSDT", MINUTE, 0, NOW_MS) == {"binance": 50, "kraken": 5}
    engine.dispose()


def test_processes_that_open_an_old_database_together_do_not_quarrel(tmp_path: Path) -> None:
    candles = old_database(tmp_path / "node.db")

    def open_and_count(_: int) -> int:
        engine = open_database(f"sqlite:///{tmp_path}/node.db")
        count = CandleStore(engine).count("BTCUSDT", MINUTE, 0, NOW_MS, ["binance"])
        engine.dispose()
        return count

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(open_and_count, range(8))) == {len(candles)}
