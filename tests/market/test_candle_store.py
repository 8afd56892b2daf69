"""The candle store on a real SQLite file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from market import candle_store
from market.candle_store import CandleStore
from market.candles import COLUMNS
from market.gaps import Gap
from market.refresh import refresh
from node.clock import ManualClock
from node.database import metadata
from node.durations import DAY_MS, Interval
from node.errors import BadMarketDataError
from tests.support.market_candles import MINUTE, NOW_MS, HeldExchange, database_in_memory, make_candles

START = NOW_MS - 10_000 * MINUTE.ms
STEP = MINUTE.ms


def test_what_is_written_is_read_back_exactly(store: CandleStore) -> None:
    candles = make_candles(START, 10)
    assert store.upsert("BTCUSDT", MINUTE, candles) == 10
    pd.testing.assert_frame_equal(store.window("BTCUSDT", MINUTE, 0, NOW_MS), candles)


def test_a_second_writing_replaces_and_does_not_double(store: CandleStore) -> None:
    store.upsert("BTCUSDT", MINUTE, make_candles(START, 10))
    corrected = make_candles(START, 4, seed=1)
    store.upsert("BTCUSDT", MINUTE, corrected)
    assert store.count("BTCUSDT", MINUTE, 0, NOW_MS) == 10
    pd.testing.assert_frame_equal(store.window("BTCUSDT", MINUTE, START, START + 3 * STEP), corrected)


def test_columns_the_source_lacks_come_back_as_nan(store: CandleStore) -> None:
    candles = make_candles(START, 3).assign(quote_volume=np.nan, trades=np.nan, taker_base=np.nan, taker_quote=np.nan)
    store.upsert("BTCUSDT", MINUTE, candles)
    pd.testing.assert_frame_equal(store.last("BTCUSDT", MINUTE, 5), candles)


def test_symbols_and_intervals_do_not_mix(store: CandleStore) -> None:
    store.upsert("BTCUSDT", MINUTE, make_candles(START, 3))
    store.upsert("ETHUSDT", MINUTE, make_candles(START, 2))
    store.upsert("BTCUSDT", Interval.HOUR, make_candles(0, 1, Interval.HOUR))
    assert store.count("BTCUSDT", MINUTE, 0, NOW_MS) == 3
    assert store.newest("BTCUSDT", Interval.HOUR) == 0
    assert store.newest("SOLUSDT", MINUTE) is None
    assert store.window("SOLUSDT", MINUTE, 0, NOW_MS).columns.tolist() == list(COLUMNS)


def test_the_last_candles_come_oldest_first_and_stop_where_told(store: CandleStore) -> None:
    candles = make_candles(START, 10)
    store.upsert("BTCUSDT", MINUTE, candles)
    assert store.last("BTCUSDT", MINUTE, 3)["open_time"].tolist() == candles["open_time"].tolist()[-3:]
    assert store.last("BTCUSDT", MINUTE, 2, until_ms=START + 4 * STEP + 1)["open_time"].tolist() == [
        START + 3 * STEP,
        START + 4 * STEP,
    ]
    assert store.next_after("BTCUSDT", MINUTE, START + 8 * STEP) == START + 9 * STEP
    assert store.next_after("BTCUSDT", MINUTE, START + 9 * STEP) is None


def test_a_corrupt_frame_is_refused_whole(store: CandleStore) -> None:
    candles = make_candles(START, 12_000)
    candles.loc[11_999, "low"] = np.nan
    with pytest.raises(BadMarketDataError):
        store.upsert("BTCUSDT", MINUTE, candles)
    assert store.newest("BTCUSDT", MINUTE) is None


@pytest.mark.parametrize(
    "damage",
    [
        "close = -close", "high = 9e999", "low = 0", "low = low * 1e9", "open = open / 1e3", "volume = -volume", "volume = 9e999",
        "open_time = open_time + 1", "open = open * 1e3, high = high * 1e3, low = -low, close = close * 1e3",
    ],
)  # fmt: skip
def test_a_candle_that_the_disk_has_changed_is_not_read_and_is_fetched_again(store: CandleStore, damage: str) -> None:
    candles = make_candles(NOW_MS - 40 * STEP, 40)
    store.upsert("BTCUSDT", MINUTE, candles)
    changed = NOW_MS - 20 * STEP
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE candles SET {damage} WHERE open_time = {changed}")
    span = "BTCUSDT", MINUTE, NOW_MS - 40 * STEP, NOW_MS - STEP
    assert len(store.window(*span)) == len(store.last("BTCUSDT", MINUTE, 40)) == store.count(*span) == 39
    assert store.gaps(*span) == [Gap(changed, changed)]
    assert store.newest("BTCUSDT", MINUTE, changed + STEP // 2) == changed - STEP
    done = refresh(store, HeldExchange(candles), "BTCUSDT", MINUTE, 40 * STEP, ManualClock(NOW_MS))
    assert (done.have, done.gaps) == (40, 0)
    pd.testing.assert_frame_equal(store.window(*span), candles)


def test_gaps_are_runs_and_halts_are_not_gaps(store: CandleStore) -> None:
    candles = make_candles(START, 20).drop(index=[0, 5, 6, 7, 19])
    store.upsert("BTCUSDT", MINUTE, candles)
    span = "BTCUSDT", MINUTE, START - STEP // 2, START + 19 * STEP + STEP // 2
    begin, middle, end = Gap(START, START), Gap(START + 5 * STEP, START + 7 * STEP), Gap(START + 19 * STEP, START + 19 * STEP)
    assert store.gaps(*span) == [begin, middle, end]
    store.remember_halt("BTCUSDT", MINUTE, Gap(START + 5 * STEP, START + 6 * STEP))
    store.remember_halt("BTCUSDT", MINUTE, begin)
    assert store.gaps(*span) == [Gap(START + 7 * STEP, START + 7 * STEP), end]
    assert store.halted(*span) == 3
    assert store.gaps("ETHUSDT", MINUTE, START, START + STEP) == [Gap(START, START + STEP)]


def test_a_candle_that_comes_after_all_ends_its_halt(store: CandleStore) -> None:
    store.remember_halt("BTCUSDT", MINUTE, Gap(START, START + 9 * STEP))
    store.upsert("BTCUSDT", MINUTE, make_candles(START, 4))
    assert store.halted("BTCUSDT", MINUTE, START, START + 9 * STEP) == 6
    assert store.gaps("BTCUSDT", MINUTE, START, START + 9 * STEP) == []


@settings(deadline=None, max_examples=50)
@given(series=st.sets(st.tuples(st.sampled_from(["A", "AB", "BTCUSDT", "ETHUSDT", "Z"]), st.sampled_from(Interval))))
def test_it_knows_what_it_has_candles_of(series: set[tuple[str, Interval]]) -> None:
    store = CandleStore(database_in_memory())
    for symbol, interval in series:
        store.upsert(symbol, interval, make_candles(0, 2).assign(open_time=[0, interval.ms]))
    found = store.series()
    assert len(found) == len(set(found))
    assert set(found) == series


def test_pruning_removes_the_old_and_only_the_old(store: CandleStore) -> None:
    store.upsert("BTCUSDT", MINUTE, make_candles(START, 10))
    store.upsert("ETHUSDT", MINUTE, make_candles(START, 10))
    store.remember_halt("BTCUSDT", MINUTE, Gap(START - 2 * STEP, START - STEP))
    assert store.prune("BTCUSDT", MINUTE, START + 4 * STEP) == 4
    assert store.count("BTCUSDT", MINUTE, 0, NOW_MS) == 6
    assert store.halted("BTCUSDT", MINUTE, 0, NOW_MS) == 0
    assert store.count("ETHUSDT", MINUTE, 0, NOW_MS) == 10


indices = st.lists(st.tuples(st.integers(0, 39), st.integers(1, 12)), max_size=5)


@settings(max_examples=25, deadline=None)
@given(written=indices, halted=indices)
def test_stored_missing_and_halted_always_make_up_the_whole(written: list[tuple[int, int]], halted: list[tuple[int, int]]) -> None:
    engine = database_in_memory()
    store = CandleStore(engine)
    there: set[int] = set()
    gone: set[int] = set()
    for first, count in written:
        store.upsert("BTCUSDT", MINUTE, make_candles(START + first * STEP, count, seed=count))
        there |= set(range(first, first + count))
    for first, count in halted:
        store.remember_halt("BTCUSDT", MINUTE, Gap(START + first * STEP, START + (first + count - 1) * STEP))
        gone |= set(range(first, first + count))
    span = "BTCUSDT", MINUTE, START, START + 49 * STEP
    whole = set(range(50))
    missing = {
        (time - START) // STEP for gap in store.gaps(*span) for time in range(gap.start_ms, gap.end_ms + 1, STEP)
    }  # fmt: skip
    assert missing == whole - there - gone
    assert store.count(*span) == len(there & whole)
    assert store.halted(*span) == len((gone - there) & whole)
    engine.dispose()


def test_ninety_days_of_minutes_are_read_in_order_and_complete(store: CandleStore) -> None:
    count = 90 * DAY_MS // STEP
    candles = make_candles(NOW_MS - count * STEP, count)
    store.upsert("BTCUSDT", MINUTE, candles)
    pd.testing.assert_frame_equal(store.window("BTCUSDT", MINUTE, 0, NOW_MS), candles)
    assert store.gaps("BTCUSDT", MINUTE, NOW_MS - count * STEP, NOW_MS - STEP) == []


def test_tables_and_upsert_are_postgresql_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for table in ("candles", "halts"):
        assert "BIGINT NOT NULL" in str(CreateTable(metadata.tables[table]).compile(dialect=postgresql.dialect()))
    engine = database_in_memory()
    monkeypatch.setattr(engine, "dialect", postgresql.dialect())
    statement = candle_store.upsert_statement(engine, metadata.tables["candles"], ["symbol", "interval", "open_time"], ["close"])
    text = str(statement.compile(dialect=postgresql.dialect()))
    assert "ON CONFLICT (symbol, interval, open_time) DO UPDATE SET close = excluded.close" in text


def test_threads_may_write_the_same_candles_and_halts_at_once(store: CandleStore) -> None:
    def write(_: int) -> None:
        for minute in range(20):
            store.upsert("BTCUSDT", MINUTE, make_candles(START + minute * STEP, 3, seed=minute))
            store.remember_halt("BTCUSDT", MINUTE, Gap(START - (minute + 1) * STEP, START - STEP))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert store.count("BTCUSDT", MINUTE, 0, NOW_MS) == 22
    assert store.halted("BTCUSDT", MINUTE, START - 50 * STEP, NOW_MS) == 20


def test_a_candle_is_replaced_whole_with_its_source_unless_the_other_is_better(store: CandleStore) -> None:
    ours, theirs = make_candles(START, 10), make_candles(START, 20, seed=1)
    store.upsert("BTCUSDT", MINUTE, ours, "binance")
    assert store.upsert("BTCUSDT", MINUTE, theirs, "kraken", better=["binance"]) == 10
    expected = pd.concat([ours, theirs.tail(10)], ignore_index=True)
    pd.testing.assert_frame_equal(store.window("BTCUSDT", MINUTE, 0, NOW_MS), expected)
    store.upsert("BTCUSDT", MINUTE, theirs, "kraken")
    pd.testing.assert_frame_equal(store.window("BTCUSDT", MINUTE, 0, NOW_MS), theirs)
    assert store.sources("BTCUSDT", MINUTE, 0, NOW_MS) == {"kraken": 20}


def test_a_candle_of_another_source_is_a_gap_where_sources_are_named(store: CandleStore) -> None:
    store.upsert("BTCUSDT", MINUTE, make_candles(START, 10), "binance")
    store.upsert("BTCUSDT", MINUTE, make_candles(START + 4 * STEP, 3), "kraken")
    span = "BTCUSDT", MINUTE, START, START + 9 * STEP
    assert store.gaps(*span) == []
    assert store.gaps(*span, ["binance"]) == [Gap(START + 4 * STEP, START + 6 * STEP)]
    assert store.gaps(*span, ["binance", "kraken"]) == []
    assert store.count(*span, ["kraken"]) == 3
