"""Whatever the exchange does, the client says which trouble it is, nothing corrupt is stored, and all is well once it is over."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import requests

from market.candle_store import CandleStore
from market.candles import check_candles, plausible_rows
from market.exchanges.binance import BinanceSpot
from market.refresh import refresh
from node.clock import ManualClock
from node.database import open_database
from node.durations import HOUR_MS, Interval
from node.errors import (
    BadMarketDataError,
    ExchangeRefusedError,
    ExchangeUnreachableError,
    MarketError,
    RateLimitedError,
)
from simulator.exchange.failures import NAMES, Failures
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.exchange_server import running_exchange
from tests.support.paths import ROOT
from tests.support.ports import free_port

NOW_MS = 1_750_000_020_000
MINUTE = Interval.MINUTE
HISTORY_MS = 20 * HOUR_MS
BARS = HISTORY_MS // MINUTE.ms
ERRORS: dict[str, type[MarketError]] = {
    "timeout": ExchangeUnreachableError,
    "slow_drip": ExchangeUnreachableError,
    "reset": ExchangeUnreachableError,
    "http_500": ExchangeUnreachableError,
    "http_429": RateLimitedError,
    "http_418": RateLimitedError,
    "http_403": ExchangeRefusedError,
    "http_451": ExchangeRefusedError,
    "html": BadMarketDataError,
    "truncated": BadMarketDataError,
    "wrong_columns": BadMarketDataError,
}
SLOW = ("timeout", "slow_drip")


class World:
    """A made-up market, its exchange, a client and a store, on one clock."""

    def __init__(self, url: str, clock: ManualClock, store: CandleStore) -> None:
        self.url, self.clock, self.store = url, clock, store
        self.client = BinanceSpot([url], clock)
        self.impatient = BinanceSpot([url], clock, connect_timeout=2, read_timeout=0.4, total_timeout=0.6)
        self.truth = SyntheticMarket(seed=1, days=2)

    def refresh(self, failure: str = "") -> None:
        """During a failure that lasts, nobody wants to wait for long; else even a busy machine has time enough."""
        client = self.impatient if failure in SLOW else self.client
        refresh(self.store, client, "BTCUSDT", MINUTE, HISTORY_MS, self.clock)

    def close(self) -> None:
        self.client.close()
        self.impatient.close()

    def post(self, route: str, **body: object) -> requests.Response:
        return requests.post(f"{self.url}/simulator/{route}", json=body, timeout=5)

    def stored(self) -> pd.DataFrame:
        return self.store.window("BTCUSDT", MINUTE, 0, 2**53)

    def check(self) -> pd.DataFrame:
        """What is stored is closed, sound, and what the market had."""
        stored = self.stored()
        check_candles(stored, MINUTE, self.clock.now_ms())
        assert plausible_rows(stored, MINUTE).all()
        truth = self.truth.candles("BTCUSDT", MINUTE, self.clock.now_ms())
        times = set(truth.open_time.tolist())
        assert set(stored["open_time"].tolist()) <= times
        closes = dict(zip(truth.open_time.tolist(), truth.values[:, 3].tolist(), strict=True))
        assert stored["close"].tolist() == [closes[time] for time in stored["open_time"].tolist()]
        return stored


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = ManualClock(NOW_MS + 20_000)
    engine = open_database(f"sqlite:///{tmp_path}/node.db")
    with running_exchange(SyntheticMarket(seed=1, days=2), clock) as url:
        world = World(url, clock, CandleStore(engine))
        yield world
        world.close()
    engine.dispose()


@pytest.mark.parametrize("name", NAMES)
def test_during_a_failure_nothing_corrupt_is_stored_and_after_it_all_is_well(world: World, name: str) -> None:
    assert world.post("fail", name=name).json() == {"failures": [name]}
    if name in ERRORS:
        with pytest.raises(ERRORS[name]):
            world.refresh(name)
    else:
        world.refresh()
    world.check()
    world.post("heal")
    world.clock.advance(3 * 3600)
    world.refresh()
    world.refresh()
    stored = world.check()
    assert len(stored) >= BARS - (180 if name == "halt" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_after_a_good_start_loses_nothing(world: World, name: str) -> None:
    world.refresh()
    before = world.stored()
    world.clock.advance(180)
    world.post("fail", name=name, seconds=60)
    if name in ERRORS:
        with pytest.raises(ERRORS[name]):
            world.refresh(name)
    else:
        world.refresh()
    after = world.check()
    assert set(before["open_time"]) <= set(after["open_time"])
    world.clock.advance(3600)
    world.refresh()
    assert world.check()["open_time"].max() == MINUTE.last_closed(world.clock.now_ms())


def test_a_halt_stays_a_gap_for_ever(world: World) -> None:
    world.refresh()
    world.post("fail", name="halt", seconds=300)
    world.clock.advance(7200)
    world.refresh()
    span = NOW_MS - 3600_000, world.clock.now_ms() - 120_000
    assert world.store.halted("BTCUSDT", MINUTE, *span) == 5
    assert world.store.gaps("BTCUSDT", MINUTE, *span) == []
    assert len(world.check()[lambda frame: frame["open_time"].between(*span)]) == (span[1] - span[0]) // MINUTE.ms - 5 + 1


def test_failures_end_by_themselves_and_are_shown(world: World) -> None:
    world.post("fail", name="html", seconds=30)
    world.post("fail", name="nan")
    assert requests.get(f"{world.url}/simulator/state", timeout=5).json()["failures"] == ["html", "nan"]
    world.clock.advance(31)
    assert requests.get(f"{world.url}/simulator/state", timeout=5).json()["failures"] == ["nan"]


@pytest.mark.parametrize("body", [{"name": "boredom"}, {}, {"name": "nan", "seconds": "soon"}, []])
def test_an_unknown_failure_is_refused(world: World, body: object) -> None:
    response = requests.post(f"{world.url}/simulator/fail", json=body, timeout=5)
    assert response.status_code == 400
    assert "error" in response.json()


def test_a_second_base_serves_while_the_first_fails(world: World) -> None:
    with running_exchange(world.truth, world.clock) as other:
        client = BinanceSpot([world.url, other], world.clock, read_timeout=2, total_timeout=10)
        for name in ("timeout", "reset", "http_451", "html", "truncated"):
            world.post("fail", name=name)
            assert len(client.candles("BTCUSDT", MINUTE, NOW_MS - HOUR_MS, NOW_MS - MINUTE.ms)) == 60
            world.post("heal")
            world.clock.advance(3700 if name == "http_451" else 61)
        client.close()


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator.exchange", *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_command_serves_fails_as_told_and_ends_on_sigterm() -> None:
    port = free_port()
    process = start("--port", str(port), "--days", "2", "--fail", "http_500")
    try:
        assert process.stdout is not None
        assert f"127.0.0.1:{port}" in process.stdout.readline()
        status = _first_status(f"http://127.0.0.1:{port}/api/v3/ping")
        assert status == 500
    finally:
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert errors == ""


def _first_status(url: str) -> int:
    for _ in range(100):
        try:
            return requests.get(url, timeout=2).status_code
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"nobody listens on {url}")


def test_a_folder_that_is_not_there_ends_the_command_with_one_line(tmp_path: Path) -> None:
    process = start("--port", str(free_port()), "--candles", str(tmp_path / "none"))
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1


def test_failing_by_name_needs_no_server() -> None:
    failures = Failures(ManualClock(NOW_MS))
    for name in NAMES:
        failures.start(name)
    assert failures.active == list(NAMES)
    failures.heal()
    assert failures.active == []


def test_a_port_in_use_ends_the_command_with_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("--port", str(taken.getsockname()[1]), "--days", "1")
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "cannot listen" in errors
    assert errors.count("\n") == 1
