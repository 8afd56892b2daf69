"""A real wick is believed once it has proved itself; an error of the source is not."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from market.candle_store import CandleStore
from market.candles import COLUMNS, plausible_rows
from market.doubts import REPEATED_MS, Doubts
from market.exchanges.exchange import doubtful_rows, with_bad_rows, with_doubtful
from market.refresh import Refreshed, refresh
from node.clock import ManualClock
from node.durations import HOUR_MS, Interval
from tests.support.market_candles import MINUTE, NOW_MS, HeldExchange, make_candles

STEP = MINUTE.ms
SYMBOL = "ATOMUSDT"
AT = NOW_MS - 30 * STEP
BARS = 400


class Doubting(HeldExchange):
    """Leaves out what no market is known to have had, as the clients do."""

    def candles(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        rows = super().candles(symbol, interval, start_ms, end_ms)
        plausible = plausible_rows(rows, interval)
        return with_bad_rows(with_doubtful(rows[plausible].reset_index(drop=True), rows[~plausible]), int((~plausible).sum()))


@pytest.fixture
def exchange() -> Doubting:
    """With a wick to a thousandth of the price, as ATOM had one on 2025-10-10."""
    exchange = Doubting(make_candles(NOW_MS - BARS * STEP, BARS + 300))
    exchange.held.loc[exchange.held["open_time"] == AT, "low"] = 0.1
    return exchange


@pytest.fixture
def clock() -> Iterator[ManualClock]:
    return ManualClock(NOW_MS)  # type: ignore[return-value]


def update(store: CandleStore, exchange: Doubting, clock: ManualClock) -> Refreshed:
    return refresh(store, exchange, SYMBOL, MINUTE, BARS * STEP, clock)


def low(store: CandleStore) -> list[float]:
    return list(store.window(SYMBOL, MINUTE, AT, AT)["low"])


def test_a_wick_that_the_exchange_repeats_for_an_hour_is_true(store: CandleStore, exchange: Doubting, clock: ManualClock) -> None:
    for _ in range(60):
        assert update(store, exchange, clock).gaps == 1
        assert low(store) == []
        clock.advance(60)
    assert update(store, exchange, clock).gaps == 0
    assert low(store) == [0.1]
    clock.advance(60)
    assert update(store, exchange, clock).gaps == 0


def test_a_wick_in_hours_is_believed_with_the_next_one(store: CandleStore, clock: ManualClock) -> None:
    """Or a topic of a day would be silent for as long as its window is."""
    hour = Interval.HOUR
    exchange = Doubting(make_candles(hour.floor(NOW_MS) - 300 * HOUR_MS, 400, hour))
    exchange.held = exchange.held[exchange.held["open_time"] <= hour.last_closed(NOW_MS) + 3 * HOUR_MS]
    wick = hour.last_closed(NOW_MS)
    exchange.held.loc[exchange.held["open_time"] == wick, "low"] = 0.1
    for _ in range(2):
        held = exchange.held
        exchange.held = held[held["open_time"] <= hour.last_closed(clock.now_ms())]
        done = refresh(store, exchange, SYMBOL, hour, 300 * HOUR_MS, clock)
        exchange.held = held
        clock.advance(3600)
    assert done.gaps == 0
    assert len(store.window(SYMBOL, hour, wick, wick)) == 1


def test_an_error_that_the_exchange_corrects_is_never_stored(store: CandleStore, exchange: Doubting, clock: ManualClock) -> None:
    for _ in range(50):
        update(store, exchange, clock)
        clock.advance(60)
    exchange.held.loc[exchange.held["open_time"] == AT, "low"] = 0.2
    for _ in range(50):
        update(store, exchange, clock)
        assert low(store) == [], "another number has its own hour"
        clock.advance(60)
    exchange.held.loc[exchange.held["open_time"] == AT, "low"] = exchange.held["low"].median()
    update(store, exchange, clock)
    assert low(store)[0] > 50


def test_a_clock_that_is_ahead_makes_no_hour_pass(store: CandleStore, exchange: Doubting, clock: ManualClock) -> None:
    now = exchange.held["open_time"] < NOW_MS
    exchange.held = exchange.held[now].reset_index(drop=True)
    for ahead in (0, 86_400, 731 * 86_400):
        clock.set_ahead(ahead)
        update(store, exchange, clock)
        clock.set_ahead(-ahead)
        assert low(store) == []


def rows(low: float = 0.1) -> pd.DataFrame:
    candles = make_candles(AT, 1)
    candles["low"] = low
    return candles


def believed(store: CandleStore, source: str, low: float, newest_ms: int = NOW_MS) -> int:
    return len(Doubts(store.engine).believed(SYMBOL, MINUTE, source, rows(low), newest_ms))


def test_what_rest_and_archive_agree_on_is_true(store: CandleStore) -> None:
    assert believed(store, "archive", 0.1) == 0
    assert believed(store, "binance", 0.2) == 0
    assert believed(store, "binance", 0.1) == 1
    assert believed(store, "binance", 0.1) == 0, "what was settled begins anew"


def test_an_hour_is_counted_from_the_first_time_also_by_another_process(store: CandleStore) -> None:
    assert believed(store, "binance", 0.1, NOW_MS) == 0
    assert believed(store, "binance", 0.1, NOW_MS + REPEATED_MS // 2) == 0
    assert believed(store, "binance", 0.1, NOW_MS + REPEATED_MS) == 1


def test_what_a_frame_remembers_survives_what_is_done_with_frames() -> None:
    frame = with_doubtful(make_candles(AT, 3), rows())
    again = pd.concat([frame, frame], ignore_index=True)
    assert doubtful_rows(again).columns.tolist() == list(COLUMNS)
    pd.testing.assert_frame_equal(doubtful_rows(frame), rows())
    assert doubtful_rows(make_candles(AT, 3)).empty
