"""Refreshing: newest first, resumable, gaps asked for, halts remembered, nothing asked twice."""

from __future__ import annotations

import threading

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.candle_store import CandleStore
from market.exchanges.exchange import PAGE
from market.refresh import Refreshed, refresh
from node.clock import ManualClock
from node.durations import HOUR_MS
from node.errors import ExchangeUnreachableError
from tests.support.market_candles import MINUTE, NOW_MS, HeldExchange, database_in_memory, make_candles

STEP = MINUTE.ms
BARS = 4500
HISTORY = BARS * STEP
FIRST, LAST = NOW_MS - HISTORY, NOW_MS - STEP


def update(store: CandleStore, exchange: HeldExchange, now_ms: int = NOW_MS, history_ms: int = HISTORY) -> Refreshed:
    return refresh(store, exchange, "BTCUSDT", MINUTE, history_ms, ManualClock(now_ms))


@pytest.fixture(scope="module")
def market() -> pd.DataFrame:
    return make_candles(FIRST - 500 * STEP, BARS + 500 + 300)


def test_the_newest_page_comes_first_and_then_the_past_in_pages(store: CandleStore, market: pd.DataFrame) -> None:
    exchange, progress = HeldExchange(market), list[tuple[int, int]]()
    result = refresh(
        store, exchange, "BTCUSDT", MINUTE, HISTORY, ManualClock(NOW_MS), lambda have, want: progress.append((have, want))
    )
    assert result == Refreshed("BTCUSDT", MINUTE, result.stored, BARS, BARS, LAST, 0)
    assert exchange.asked[0] == (LAST - (PAGE - 1) * STEP, LAST)
    assert all((end - start) // STEP < PAGE for start, end in exchange.asked)
    assert [start for start, _ in exchange.asked] == sorted((start for start, _ in exchange.asked), reverse=True)
    assert progress[0] == (PAGE, BARS)
    assert progress[-1] == (BARS, BARS)
    assert store.window("BTCUSDT", MINUTE, 0, NOW_MS)["open_time"].min() == FIRST


def test_a_minute_later_one_request_brings_what_is_missing_and_corrections(store: CandleStore, market: pd.DataFrame) -> None:
    exchange = HeldExchange(market.copy())
    update(store, exchange)
    exchange.asked.clear()
    late = exchange.held["open_time"] == LAST
    exchange.held.loc[late, "high"] = 150.0
    result = update(store, exchange, NOW_MS + STEP)
    assert len(exchange.asked) == 1
    assert result.stored == 3
    assert result.newest == LAST + STEP
    assert store.window("BTCUSDT", MINUTE, LAST, LAST)["high"].item() == 150.0


def test_after_a_night_off_only_the_night_is_fetched(store: CandleStore, market: pd.DataFrame) -> None:
    exchange = HeldExchange(market)
    update(store, exchange, NOW_MS)
    exchange.asked.clear()
    result = update(store, exchange, NOW_MS + 200 * STEP)
    assert len(exchange.asked) == 1
    assert (result.have, result.gaps, result.newest) == (BARS, 0, LAST + 200 * STEP)


def test_a_killed_refresh_goes_on_where_it_was(store: CandleStore, market: pd.DataFrame) -> None:
    exchange, stop = HeldExchange(market), threading.Event()
    first = refresh(
        store, exchange, "BTCUSDT", MINUTE, HISTORY, ManualClock(NOW_MS), lambda have, _: stop.set() if have > 2000 else None, stop
    )
    assert first.have < BARS
    assert first.gaps == 1
    asked = len(exchange.asked)
    second = update(store, exchange)
    assert second.have == BARS
    assert second.stored <= BARS - first.have + asked + 10


def test_an_error_in_the_middle_keeps_what_was_fetched(store: CandleStore, market: pd.DataFrame) -> None:
    class FailingExchange(HeldExchange):
        def candles(self, symbol: str, interval: object, start_ms: int, end_ms: int) -> pd.DataFrame:
            if len(self.asked) == 2:
                raise ExchangeUnreachableError("gone")
            return super().candles(symbol, MINUTE, start_ms, end_ms)

    with pytest.raises(ExchangeUnreachableError):
        update(store, FailingExchange(market))
    assert store.count("BTCUSDT", MINUTE, FIRST, LAST) >= 1900
    assert update(store, HeldExchange(market)).have == BARS


def test_a_gap_in_the_store_is_fetched_again(store: CandleStore, market: pd.DataFrame) -> None:
    span = market["open_time"].between(FIRST, LAST)
    kept = market[span].drop(index=market[span].index[3000:3010])
    store.upsert("BTCUSDT", MINUTE, kept)
    exchange = HeldExchange(market)
    assert update(store, exchange).gaps == 0
    assert len(exchange.asked) == 2


def test_a_halt_stays_a_gap_and_is_asked_for_once(store: CandleStore, market: pd.DataFrame) -> None:
    halt = market["open_time"].between(NOW_MS - 1500 * STEP, NOW_MS - 1421 * STEP)
    exchange = HeldExchange(market[~halt])
    result = update(store, exchange)
    assert (result.have, result.want, result.gaps) == (BARS - 80, BARS - 80, 0)
    assert store.count("BTCUSDT", MINUTE, NOW_MS - 1500 * STEP, NOW_MS - 1421 * STEP) == 0
    exchange.asked.clear()
    update(store, exchange, NOW_MS + STEP)
    assert len(exchange.asked) == 1


def test_a_young_gap_is_asked_for_again_until_it_is_an_hour_old(store: CandleStore, market: pd.DataFrame) -> None:
    gap = market["open_time"].between(LAST - 20 * STEP, LAST - 11 * STEP)
    exchange = HeldExchange(market[~gap])
    assert update(store, exchange).gaps == 1
    assert update(store, exchange, NOW_MS + STEP).gaps == 1
    exchange.held = market
    assert update(store, exchange, NOW_MS + 2 * STEP).gaps == 0
    assert store.count("BTCUSDT", MINUTE, LAST - 20 * STEP, LAST - 11 * STEP) == 10


def test_a_gap_that_outlives_its_hour_becomes_a_halt(store: CandleStore, market: pd.DataFrame) -> None:
    gap = market["open_time"].between(LAST - 20 * STEP, LAST - 11 * STEP)
    exchange = HeldExchange(market[~gap])
    update(store, exchange)
    result = update(store, exchange, NOW_MS + HOUR_MS)
    assert (result.gaps, result.want) == (0, BARS - 10)


def test_before_its_listing_a_symbol_is_not_asked_for_for_ever(store: CandleStore, market: pd.DataFrame) -> None:
    listed = HeldExchange(market[market["open_time"] >= NOW_MS - 1200 * STEP])
    long = 90 * 24 * HOUR_MS
    result = update(store, listed, history_ms=long)
    assert (result.have, result.want, result.gaps) == (1200, 1200, 0)
    assert len(listed.asked) < 12
    listed.asked.clear()
    assert update(store, listed, NOW_MS + STEP, long).have == 1201
    assert len(listed.asked) == 1


def test_an_exchange_that_suddenly_has_nothing_is_not_believed(store: CandleStore, market: pd.DataFrame) -> None:
    store.upsert("BTCUSDT", MINUTE, market[market["open_time"].between(LAST - 100 * STEP, LAST)])
    empty = HeldExchange(market[:0])
    assert update(store, empty).gaps == 1
    assert update(store, HeldExchange(market)).have == BARS


def test_where_rows_were_left_out_as_bad_no_halt_is_remembered(store: CandleStore, market: pd.DataFrame) -> None:
    gap = market["open_time"].between(NOW_MS - 500 * STEP, NOW_MS - 491 * STEP)
    exchange = HeldExchange(market[~gap])
    exchange.bad = 10
    assert update(store, exchange).gaps > 0
    exchange = HeldExchange(market)
    assert update(store, exchange).have == BARS


def test_a_symbol_without_candles_has_none_and_wants_them(store: CandleStore, market: pd.DataFrame) -> None:
    result = update(store, HeldExchange(market[:0]))
    assert result == Refreshed("BTCUSDT", MINUTE, 0, 0, BARS, None, 1)


def test_a_store_ahead_of_the_clock_still_gets_its_newest_candles(store: CandleStore, market: pd.DataFrame) -> None:
    store.upsert("BTCUSDT", MINUTE, make_candles(NOW_MS + 1000 * STEP, 10))
    assert update(store, HeldExchange(market)).have == BARS


@settings(max_examples=15, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.integers(0, 290), st.integers(1, 40)), max_size=5),
    kept=st.lists(st.tuples(st.integers(0, 290), st.integers(1, 60)), max_size=4),
)
def test_whatever_was_stored_before_the_store_ends_up_as_the_exchange(
    gaps: list[tuple[int, int]], kept: list[tuple[int, int]]
) -> None:
    candles = make_candles(NOW_MS - 300 * STEP, 300)
    index = (candles["open_time"] - (NOW_MS - 300 * STEP)) // STEP
    halted = sum((index.between(first, first + count - 1) for first, count in gaps), index < 0)
    held = candles[~halted.astype(bool)]
    engine = database_in_memory()
    store = CandleStore(engine)
    for first, count in kept:
        store.upsert("BTCUSDT", MINUTE, held[index[held.index].between(first, first + count - 1)])
    for _ in range(2):
        refresh(store, HeldExchange(held), "BTCUSDT", MINUTE, 300 * STEP, ManualClock(NOW_MS))
    pd.testing.assert_frame_equal(store.window("BTCUSDT", MINUTE, 0, NOW_MS), held.reset_index(drop=True))
    engine.dispose()
