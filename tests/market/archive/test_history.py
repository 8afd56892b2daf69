"""History by archive and REST against the simulated exchange: equal to its truth, candle for candle, whatever is odd or lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from market.archive.client import BinanceArchive
from market.candle_store import CandleStore
from market.exchanges.binance import BinanceSpot
from market.refresh import Refreshed, refresh
from node.clock import ManualClock
from node.database import open_database
from node.durations import DAY_MS, HOUR_MS, Interval
from simulator.exchange.candles import VALUES
from simulator.exchange.failures import Failures
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.exchange_server import running_exchange
from tests.support.market_candles import database_in_memory
from tests.support.paths import ROOT

MINUTE = Interval.MINUTE
SYMBOL = "BTCUSDT"
MID_JUNE = 1_750_000_020_000
"""2025-06-15 15:07 UTC: of the days behind it the 3rd, 7th, 11th and 13th are odd ones."""

DAYS = 14


@dataclass
class World:
    market: SyntheticMarket
    clock: ManualClock
    failures: Failures
    url: str
    exchange: BinanceSpot
    archive: BinanceArchive

    def refresh(
        self, store: CandleStore, days: float = DAYS, interval: Interval = MINUTE, stop: threading.Event | None = None
    ) -> Refreshed:
        span = round(days * DAY_MS)
        return refresh(store, self.exchange, SYMBOL, interval, span, self.clock, stop=stop, archive=self.archive)

    def truth(self, days: float = DAYS, interval: Interval = MINUTE) -> pd.DataFrame:
        last = interval.last_closed(self.clock.now_ms())
        first = last - (round(days * DAY_MS) // interval.ms - 1) * interval.ms
        candles = self.market.candles(SYMBOL, interval, self.clock.now_ms()).between(first, last)
        # Everything goes over the wire with eight decimals, and the sums over longer bars have more.
        values = [[float(f"{value:.8f}") for value in column] for column in candles.values.T.tolist()]
        return pd.DataFrame({"open_time": candles.open_time} | dict(zip(VALUES, values, strict=True)))

    def check(self, store: CandleStore, days: float = DAYS, interval: Interval = MINUTE) -> None:
        truth = self.truth(days, interval)
        stored = store.window(SYMBOL, interval, int(truth["open_time"].iloc[0]), self.clock.now_ms())
        pd.testing.assert_frame_equal(stored, truth, check_exact=True)

    def asked(self) -> tuple[int, int]:
        """Requests so far, over REST and of the archive."""
        state = requests.get(f"{self.url}/simulator/state", timeout=5).json()
        return state["requests"], state["archive_requests"]


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    return SyntheticMarket(seed=3, days=46)


@pytest.fixture
def world(market: SyntheticMarket) -> Iterator[World]:
    clock = ManualClock(MID_JUNE)
    failures = Failures(clock)
    with running_exchange(market, clock, failures) as url:
        exchange, archive = BinanceSpot([url], clock), BinanceArchive(url)
        yield World(market, clock, failures, url, exchange, archive)
        exchange.close()
        archive.close()


def test_history_by_archive_and_rest_equals_the_truth_candle_for_candle(world: World, store: CandleStore) -> None:
    done = world.refresh(store)
    assert (done.have, done.want, done.gaps) == (DAYS * 1440, DAYS * 1440, 0)
    world.check(store)
    assert store.sources(SYMBOL, MINUTE, 0, MID_JUNE) == {"binance": DAYS * 1440}


def test_a_month_that_has_ended_comes_in_one_file(world: World, store: CandleStore) -> None:
    world.refresh(store, 45, Interval.FIVE_MINUTES)
    world.check(store, 45, Interval.FIVE_MINUTES)
    rest, archive = world.asked()
    # May and its checksum; the days of June, and of April's end, by REST.
    assert archive == 2
    assert rest < 8


def test_microseconds_and_milliseconds_meet_at_new_year(world: World, store: CandleStore) -> None:
    world.clock.advance((1_735_830_000_000 - MID_JUNE) / 1000)  # 2025-01-02 15:00 UTC
    market = SyntheticMarket(seed=4, days=5)
    with running_exchange(market, world.clock) as url:
        there = World(market, world.clock, world.failures, url, BinanceSpot([url], world.clock), BinanceArchive(url))
        there.refresh(store, 4)
        there.check(store, 4)
        # December as one file, the first of January as another, each with its checksum.
        assert there.asked()[1] == 4
        there.exchange.close()
        there.archive.close()


def test_a_file_issued_again_replaces_what_the_first_edition_brought(world: World, store: CandleStore) -> None:
    world.clock.advance(-3 * DAY_MS / 1000)  # 2025-06-12 15:07: the 11th is still in its first edition
    world.refresh(store, 4)
    truth = world.truth(4)
    stored = store.window(SYMBOL, MINUTE, int(truth["open_time"].iloc[0]), MID_JUNE)
    assert int((stored["close"] != truth["close"]).sum()) == 1
    world.clock.advance(DAY_MS / 1000)
    world.refresh(store, 5)
    world.check(store, 5)


def test_a_taken_file_is_asked_about_once_a_day_only(world: World, store: CandleStore) -> None:
    world.refresh(store)
    before = world.asked()[1]
    for _ in range(3):
        world.clock.advance(HOUR_MS / 1000)
        world.refresh(store)
    assert world.asked()[1] == before


def test_an_archive_that_cannot_be_had_leaves_everything_to_rest(world: World, store: CandleStore) -> None:
    world.archive = BinanceArchive("http://127.0.0.1:9", connect_timeout=1)
    assert world.refresh(store, 3).gaps == 0
    world.check(store, 3)
    world.archive.close()


def test_hours_come_by_rest_because_a_page_holds_more_than_a_month_of_them(world: World, store: CandleStore) -> None:
    world.refresh(store, 45, Interval.HOUR)
    world.check(store, 45, Interval.HOUR)
    assert world.asked() == (2, 0)


def test_the_newest_candles_are_there_before_the_archive_is_asked(world: World, store: CandleStore) -> None:
    seen = list[tuple[int | None, int]]()

    def look(_: int, __: int) -> None:
        seen.append((store.newest(SYMBOL, MINUTE), world.asked()[1]))

    refresh(store, world.exchange, SYMBOL, MINUTE, 3 * DAY_MS, world.clock, look, archive=world.archive)
    assert seen[0] == (MINUTE.last_closed(MID_JUNE), 0)
    assert seen[-1][1] > 0


def test_a_refresh_stopped_at_any_file_goes_on_from_the_store(world: World, store: CandleStore) -> None:
    for _ in range(40):
        stop, calls = threading.Event(), list[int]()

        def after_the_newest_and_one_more(have: int, _: int, stop: threading.Event = stop, calls: list[int] = calls) -> None:
            calls.append(have)
            if len(calls) == 2:
                stop.set()

        span = 5 * DAY_MS
        done = refresh(
            store, world.exchange, SYMBOL, MINUTE, span, world.clock, after_the_newest_and_one_more, stop, archive=world.archive
        )
        if done.gaps == 0:
            break
    requests_so_far = world.asked()[1]
    world.check(store, 5)
    world.refresh(store, 5)
    assert world.asked()[1] == requests_so_far


KILLED = """
import sys
from market.archive.client import BinanceArchive
from market.exchanges.binance import BinanceSpot
from market.candle_store import CandleStore
from market.refresh import refresh
from node.clock import ManualClock
from node.database import open_database
from node.durations import DAY_MS, Interval

url, database, now_ms = sys.argv[1], sys.argv[2], int(sys.argv[3])
clock, store = ManualClock(now_ms), CandleStore(open_database(database))
refresh(store, BinanceSpot([url], clock), "BTCUSDT", Interval.MINUTE, 6 * DAY_MS, clock,
        lambda have, want: print(have, flush=True), archive=BinanceArchive(url))
"""


def test_an_updater_killed_while_it_reads_the_archive_goes_on_from_the_store(world: World, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/node.db"
    command = [sys.executable, "-c", KILLED, world.url, database, str(MID_JUNE)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < 3000:
            pass
        process.kill()
    engine = open_database(database)
    store = CandleStore(engine)
    left = store.count(SYMBOL, MINUTE, 0, MID_JUNE)
    assert 3000 <= left < 6 * 1440
    assert world.refresh(store, 6).stored <= 6 * 1440 - left + 1440 + 100
    world.check(store, 6)
    engine.dispose()


def test_a_halt_in_the_archive_and_over_rest_is_remembered_and_not_invented(world: World, store: CandleStore) -> None:
    world.clock.advance(-6 * DAY_MS / 1000)
    world.failures.start("halt", 80 * 60)
    world.clock.advance(6 * DAY_MS / 1000)
    done = world.refresh(store, 8)
    assert done.gaps == 0
    assert 8 * 1440 - done.want in (79, 80)


def test_before_a_listing_months_are_not_asked_for_day_by_day(world: World, store: CandleStore) -> None:
    world.refresh(store, 400, Interval.QUARTER)
    assert store.count(SYMBOL, Interval.QUARTER, 0, MID_JUNE) == len(world.truth(400, Interval.QUARTER))
    # May and April with their checksums, and one request for each month before.
    assert world.asked()[1] == 2 * 2 + 11


def test_no_file_is_left_behind(world: World, store: CandleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "temporary"
    empty.mkdir()
    monkeypatch.setenv("TMPDIR", str(empty))
    monkeypatch.chdir(empty)
    world.refresh(store, 3)
    assert list(empty.iterdir()) == []


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=st.lists(st.tuples(st.integers(0, 6 * 1440 - 1), st.integers(1, 3000)), min_size=1, max_size=6))
def test_random_gaps_punched_into_the_store_are_repaired_to_equality(world: World, gaps: list[tuple[int, int]]) -> None:
    engine = database_in_memory()
    store, truth = CandleStore(engine), world.truth(6)
    store.upsert(SYMBOL, MINUTE, truth)
    with engine.begin() as connection:
        for first, count in gaps:
            start = int(truth["open_time"].iloc[0]) + first * MINUTE.ms
            span = {"start": start, "end": start + (count - 1) * MINUTE.ms}
            connection.execute(text("DELETE FROM candles WHERE open_time BETWEEN :start AND :end"), span)
    assert world.refresh(store, 6).gaps == 0
    world.check(store, 6)
    engine.dispose()
