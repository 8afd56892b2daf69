"""How long 90 days of minutes for five tokens take from archive and REST, and whether they equal the truth candle for candle.

The exchange and its archive run beside it as a process of their own, so that the processor time is the node's alone: what is left
of the elapsed time is the exchange's, as it would be the network's. The yardstick is the same past by REST alone.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import requests
import structlog
from rich.console import Console
from rich.table import Table

from market.archive.client import BinanceArchive
from market.candle_store import CandleStore
from market.exchanges.binance import BinanceSpot
from market.refresh import refresh
from node.clock import ManualClock, SystemClock
from node.database import open_database
from node.durations import DAY_MS, MINUTE_MS, Interval
from simulator.exchange.candles import VALUES
from simulator.exchange.synthetic import SyntheticMarket

DAYS = 90
TOKENS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "ARBUSDT")
GOAL_SECONDS = 180.0
MINUTE = Interval.MINUTE


class Elapsed:
    """Wall and processor seconds of this process since it was made."""

    def __init__(self) -> None:
        self._wall, self._work = time.perf_counter(), time.process_time()

    def seconds(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, time.process_time() - self._work


def fill(url: str, folder: Path, clock: ManualClock, with_archive: bool) -> tuple[CandleStore, float, float]:
    """A new store with every token's history, and the wall and processor seconds it took."""
    exchange, archive = BinanceSpot([url], clock), BinanceArchive(url) if with_archive else None
    store = CandleStore(open_database(f"sqlite:///{folder}/{'archive' if with_archive else 'rest'}.db"))
    elapsed = Elapsed()
    for symbol in TOKENS:
        refresh(store, exchange, symbol, MINUTE, DAYS * DAY_MS, clock, archive=archive)
    return store, *elapsed.seconds()


def differences(store: CandleStore, now_ms: int) -> int:
    """Candles that are not as the market had them."""
    market, count = SyntheticMarket(1, DAYS + 2), 0
    last = MINUTE.last_closed(now_ms)
    first = last - (DAYS * 1440 - 1) * MINUTE_MS
    for symbol in TOKENS:
        candles = market.candles(symbol, MINUTE, now_ms).between(first, last)
        truth = pd.DataFrame({"open_time": candles.open_time} | dict(zip(VALUES, candles.values.T, strict=True)))
        stored = store.window(symbol, MINUTE, first, last)
        count += abs(len(truth) - len(stored)) or int((truth != stored).any(axis=1).sum())
    return count


def start_exchange() -> tuple[subprocess.Popen[bytes], str]:
    """The simulated exchange as a process, warmed up: its market is made and its answers are ready to be formed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "simulator.exchange", "--port", str(port), "--days", str(DAYS + 2)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for symbol in TOKENS:
        for _ in range(100):
            try:
                requests.get(f"{url}/api/v3/klines", params={"symbol": symbol, "interval": "1m", "limit": 1}, timeout=120)
                break
            except requests.ConnectionError:
                time.sleep(0.2)
    return process, url


def main() -> None:
    """Measure and print; exit code 1 if a candle differs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    process, url = start_exchange()
    # The time stands still, so that both ways fetch the same candles.
    clock = ManualClock(SystemClock().now_ms())
    try:
        with tempfile.TemporaryDirectory() as folder:
            store, wall, work = fill(url, Path(folder), clock, with_archive=True)
            wrong = differences(store, clock.now_ms())
            _, rest_wall, rest_work = fill(url, Path(folder), clock, with_archive=False)
    finally:
        process.terminate()
        process.wait(timeout=10)
    count = len(TOKENS) * DAYS * 1440
    table = Table(title=f"{DAYS} days of minutes for {len(TOKENS)} tokens: {count:,} candles")
    for name in ("from", "seconds in all", "of them work", "candles a second of work"):
        table.add_column(name, justify="left" if name == "from" else "right")
    table.add_row("archive, then REST", f"{wall:.1f}", f"{work:.1f}", f"{count / work:,.0f}")
    table.add_row("yardstick: REST alone", f"{rest_wall:.1f}", f"{rest_work:.1f}", f"{count / rest_work:,.0f}")
    Console().print(table)
    decision = "reached" if work < GOAL_SECONDS else "MISSED"
    print(f"goal: at most {GOAL_SECONDS:.0f} s of work: {decision} ({work:.1f} s); candles that differ from the truth: {wrong}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
