"""What the Binance client makes of answers, good and spoiled, over real HTTP on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pandas as pd
import pytest

from market.candle_store import CandleStore
from market.candles import check_candles
from market.exchanges.binance import BinanceSpot
from market.exchanges.exchange import bad_rows
from market.refresh import refresh
from node.clock import ManualClock
from node.durations import DAY_MS, HOUR_MS, Interval
from node.errors import (
    BadMarketDataError,
)
from tests.market.exchanges.conftest import LAST, REAL_ROW, START, STEP, Exchange, fetch
from tests.support.market_candles import MINUTE, NOW_MS, make_candles, wire_rows

# What a good answer becomes


def test_a_row_of_the_wire_becomes_a_candle(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.answer([REAL_ROW])
    candles = client.candles("BNBUSDT", Interval.QUARTER, 1736121600000, 1736121600000)
    assert candles.values.tolist() == [
        [1736121600000, 709.29, 709.97, 709.03, 709.09, 862.837, 612226.05016, 3458, 436.596, 309804.01515]
    ]
    assert exchange.queries == [
        {"symbol": "BNBUSDT", "interval": "15m", "startTime": "1736121600000", "endTime": "1736121600000", "limit": "1000"}
    ]


def test_more_than_a_page_is_fetched_in_pages_without_gap_or_repetition(client: BinanceSpot, exchange: Exchange) -> None:
    candles = fetch(client, START)
    pd.testing.assert_frame_equal(candles, exchange.held[:2500])
    assert len(exchange.queries) == 3


def test_an_unfinished_candle_is_never_returned(client: BinanceSpot, exchange: Exchange, clock: ManualClock) -> None:
    clock.advance(59.999)
    exchange.answer(wire_rows(exchange.held[-15:]))
    assert fetch(client, end=NOW_MS + DAY_MS)["open_time"].max() == LAST
    clock.advance(0.001)
    assert fetch(client, end=NOW_MS + DAY_MS)["open_time"].max() == NOW_MS


def test_where_the_exchange_has_nothing_the_frame_is_empty(client: BinanceSpot) -> None:
    assert fetch(client, 0, START - 1).empty


def test_a_span_that_has_not_begun_is_not_asked_for(client: BinanceSpot, exchange: Exchange) -> None:
    assert fetch(client, NOW_MS, NOW_MS + DAY_MS).empty
    assert exchange.queries == []


def test_volume_without_trades_means_that_the_source_does_not_know_them(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.answer([[*row[:7], "0.00000000", 0, "0.00000000", "0.00000000", "0"] for row in wire_rows(exchange.held[-15:-5])])
    candles = fetch(client)
    assert candles[["quote_volume", "trades", "taker_base", "taker_quote"]].isna().all(axis=None)


def test_the_time_of_the_exchange_is_its_own(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.server.expect_request("/api/v3/time").respond_with_json({"serverTime": 1234567890123})
    assert client.time_ms() == 1234567890123
    exchange.server.clear()
    exchange.server.expect_request("/api/v3/time").respond_with_json(["soon"])
    with pytest.raises(BadMarketDataError):
        client.time_ms()


# Bodies that are not what they should be


@pytest.mark.parametrize(
    "body",
    [
        "<html>One moment</html>",
        json.dumps([REAL_ROW])[:60],
        "",
        "{}",
        '{"code": 0, "msg": "fine"}',
        "null",
        "[1, 2, 3]",
        "[[]]",
        json.dumps([REAL_ROW[:6]]),
        json.dumps([[REAL_ROW[0], *["NaN"] * 4, *REAL_ROW[5:]]]),
        json.dumps([REAL_ROW]).replace('"709.29000000"', "NaN"),
        json.dumps([[REAL_ROW[0] * 1000, *REAL_ROW[1:6], REAL_ROW[6] * 1000, *REAL_ROW[7:]]]),
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_body_that_is_no_list_of_candles_is_bad_data(client: BinanceSpot, exchange: Exchange, body: str) -> None:
    exchange.answer(body)
    with pytest.raises(BadMarketDataError):
        client.candles("BNBUSDT", Interval.QUARTER, 1736121600000, 1736121600000)


def spoil_close(row: list[Any], close: str) -> list[Any]:
    return [*row[:4], close, *row[5:]]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row[:11],
        lambda row: spoil_close(row, "NaN"),
        lambda row: spoil_close(row, "0.00000000"),
        lambda row: spoil_close(row, "-100.5"),
        lambda row: spoil_close(row, "much"),
        lambda row: spoil_close(row, "1e400"),
        lambda row: [row[0] + 1, *row[1:]],
        lambda row: [*row[:6], row[6] + HOUR_MS, *row[7:]],
        lambda row: [row[0] + 1000 * STEP, *row[1:6], row[6] + 1000 * STEP, *row[7:]],
        lambda row: [None, *row[1:]],
        lambda _: "row",
    ],
)
def test_a_bad_row_is_left_out_and_counted_and_the_others_stay(
    client: BinanceSpot, exchange: Exchange, spoil: Callable[[list[Any]], Any]
) -> None:
    rows = wire_rows(exchange.held[-15:-5])
    exchange.answer([*rows[:4], spoil(rows[4]), *rows[5:]])
    candles = fetch(client)
    assert len(candles) == 9
    assert bad_rows(candles) == 1
    check_candles(candles, MINUTE, NOW_MS)


@pytest.mark.parametrize("asked", [Interval.FIVE_MINUTES, Interval.QUARTER, Interval.HOUR, Interval.DAY])
@pytest.mark.parametrize("count", [1, 3, 1000])
def test_rows_of_another_interval_are_refused_whole(client: BinanceSpot, exchange: Exchange, asked: Interval, count: int) -> None:
    """Every fifth minute would pass for a candle of five."""
    start = asked.floor(NOW_MS - 2 * DAY_MS)
    exchange.answer(wire_rows(make_candles(start, count)))
    with pytest.raises(BadMarketDataError, match="another interval"):
        client.candles("BTCUSDT", asked, start, NOW_MS)


def test_rows_of_a_longer_interval_are_refused_too(client: BinanceSpot, exchange: Exchange) -> None:
    start = Interval.HOUR.floor(NOW_MS - DAY_MS)
    exchange.answer(wire_rows(make_candles(start, 20, Interval.FIVE_MINUTES), Interval.FIVE_MINUTES))
    with pytest.raises(BadMarketDataError):
        fetch(client, start)


def test_rows_sent_twice_and_out_of_order_are_put_right(client: BinanceSpot, exchange: Exchange) -> None:
    rows = wire_rows(exchange.held[-15:-5])
    exchange.answer([*rows[::-1], *rows])
    candles = fetch(client)
    pd.testing.assert_frame_equal(candles, exchange.held[-15:-5].reset_index(drop=True))
    assert bad_rows(candles) == 0


def test_of_two_rows_that_contradict_each_other_neither_is_taken(client: BinanceSpot, exchange: Exchange) -> None:
    rows = wire_rows(exchange.held[-15:-5])
    exchange.answer([*rows, [rows[4][0], *rows[5][1:6], rows[4][6], *rows[5][7:]]])
    assert rows[4][0] not in fetch(client)["open_time"].tolist()


@pytest.mark.parametrize("factor", [10, 1000])
@pytest.mark.parametrize("spoilt", [["high", "close"], ["open", "high", "low", "close"]])
def test_a_spike_no_market_can_have_had_is_left_out(
    client: BinanceSpot, exchange: Exchange, factor: float, spoilt: list[str]
) -> None:
    exchange.held.loc[2495, spoilt] *= factor
    candles = fetch(client)
    assert candles["high"].max() < 200
    assert bad_rows(candles) == (3 if "open" in spoilt else 2), "its neighbours are not trusted either"


def test_a_spike_in_the_newest_candle_is_no_price(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.held.loc[2499, ["open", "high", "low", "close"]] *= 1000
    assert fetch(client)["open_time"].max() < LAST
    with pytest.raises(BadMarketDataError):
        fetch(client, LAST - STEP)
    exchange.held.loc[2499, ["open", "high", "low", "close"]] /= 1000
    assert fetch(client, LAST - STEP)["open_time"].max() == LAST


def test_a_spike_of_some_minutes_is_never_stored_and_its_end_is_noticed(
    client: BinanceSpot, exchange: Exchange, clock: ManualClock, store: CandleStore
) -> None:
    exchange.held.loc[2500:2502, ["open", "high", "low", "close"]] *= 1000
    newest = []
    for _ in range(6):
        with suppress(BadMarketDataError):
            refresh(store, client, "BTCUSDT", MINUTE, 500 * STEP, clock)
        stored = store.window("BTCUSDT", MINUTE, 0, 2**53)
        assert stored["high"].max() < 200
        newest.append((int(stored["open_time"].max()) - NOW_MS) // STEP)
        clock.advance(60)
    assert newest == [-1, -1, -1, -1, -1, 4], "one good candle after it is not trusted yet, two are"


def test_rows_that_were_not_asked_for_are_not_returned(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.answer(wire_rows(exchange.held[-105:-5]))
    assert len(fetch(client)) == 10


def test_a_full_page_that_leads_nowhere_ends(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.answer(wire_rows(exchange.held[:1000]))
    assert len(fetch(client, START)) == 1000
    assert len(exchange.queries) == 2
