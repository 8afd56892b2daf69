"""Kraken and CoinGecko against the simulated exchange: what each can give, and what it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from pytest_httpserver import HTTPServer

from market.coingecko import CoinGecko
from market.exchange import bad_rows
from market.kraken import REACH, Kraken
from node.clock import ManualClock
from node.durations import DAY_MS, HOUR_MS, Interval
from node.errors import (
    BadMarketDataError,
    ExchangeRefusedError,
    ExchangeUnreachableError,
    MarketError,
    RateLimitedError,
    UnknownSymbolError,
)
from simulator.exchange.candles import VALUES
from simulator.exchange.synthetic import SyntheticMarket
from tests.market.samples import NOW_MS
from tests.simulator.exchange_server import running_exchange

NOW = NOW_MS + 30_000
"""Half a minute into a candle."""

MARKET = SyntheticMarket(seed=5, days=35)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def url(clock: ManualClock) -> Iterator[str]:
    with running_exchange(MARKET, clock) as url:
        yield url


@pytest.fixture
def kraken(url: str, clock: ManualClock) -> Iterator[Kraken]:
    client = Kraken(url, clock)
    yield client
    client.close()


@pytest.fixture
def coingecko(url: str, clock: ManualClock) -> Iterator[CoinGecko]:
    client = CoinGecko(url, clock)
    yield client
    client.close()


def truth(symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
    candles = MARKET.candles(symbol, interval, NOW).between(start_ms, end_ms)
    return pd.DataFrame({"open_time": candles.open_time} | dict(zip(VALUES, candles.values.T, strict=True)))


@pytest.mark.parametrize("interval", list(Interval))
def test_kraken_gives_closed_candles_with_volume_and_trades_but_not_who_bought(kraken: Kraken, interval: Interval) -> None:
    last = interval.last_closed(NOW)
    start = last - 29 * interval.ms
    got, expected = kraken.candles("BTCUSDT", interval, start, NOW), truth("BTCUSDT", interval, start, last)
    prices = ["open_time", "open", "high", "low", "close", "volume", "trades"]
    pd.testing.assert_frame_equal(got[prices], expected[prices], rtol=1e-12)
    np.testing.assert_allclose(got["quote_volume"], expected["quote_volume"], rtol=1e-8)
    assert got[["taker_base", "taker_quote"]].isna().all().all()


def test_kraken_has_no_more_than_its_newest_720_candles(kraken: Kraken) -> None:
    got = kraken.candles("BTCUSDT", Interval.MINUTE, 0, NOW)
    assert REACH < len(got) == 719
    assert kraken.reach(Interval.MINUTE) == REACH


def test_kraken_never_hands_out_the_candle_still_forming(kraken: Kraken) -> None:
    assert kraken.candles("ETHUSDT", Interval.MINUTE, NOW - HOUR_MS, NOW + HOUR_MS)["open_time"].max() == NOW_MS - 60_000


def test_kraken_calls_some_tokens_otherwise(kraken: Kraken) -> None:
    assert len(kraken.candles("DOGEUSDT", Interval.HOUR, NOW - DAY_MS, NOW)) == 23


def test_an_unknown_pair_of_kraken_is_told_from_a_failure_though_both_come_with_200(kraken: Kraken) -> None:
    with pytest.raises(UnknownSymbolError):
        kraken.candles("NOTHINGUSDT", Interval.MINUTE, NOW - HOUR_MS, NOW)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('{"error":["EGeneral:Too many requests"]}', RateLimitedError),
        ('{"error":["EService: Throttled: 1750000099"]}', RateLimitedError),
        ('{"error":["EService:Unavailable"]}', ExchangeUnreachableError),
        ('{"error":["EGeneral:Invalid arguments"]}', BadMarketDataError),
        ('{"error":[],"result":{"XXBTZUSD":7,"last":1}}', BadMarketDataError),
        ('{"error":[],"result":{"XXBTZUSD":[[1,2]],"last":1}}', BadMarketDataError),
        ('{"error":[]}', BadMarketDataError),
        ("[]", BadMarketDataError),
        ("<html>", BadMarketDataError),
    ],
)
def test_each_trouble_of_kraken_is_its_own_error(
    httpserver: HTTPServer, clock: ManualClock, body: str, error: type[MarketError]
) -> None:
    httpserver.expect_request("/0/public/OHLC").respond_with_data(body)
    client = Kraken(httpserver.url_for(""), clock)
    with pytest.raises(error):
        client.candles("BTCUSDT", Interval.MINUTE, NOW - HOUR_MS, NOW)
    client.close()


@pytest.mark.parametrize(
    ("status", "error"), [(403, ExchangeRefusedError), (451, ExchangeRefusedError), (503, ExchangeUnreachableError)]
)
@pytest.mark.parametrize("source", [Kraken, CoinGecko])
def test_a_refusal_is_not_a_failure(
    httpserver: HTTPServer, clock: ManualClock, source: type[Kraken | CoinGecko], status: int, error: type[MarketError]
) -> None:
    httpserver.expect_request("/").respond_with_data("no", status=status)
    httpserver.expect_request("/0/public/OHLC").respond_with_data("no", status=status)
    httpserver.expect_request("/api/v3/coins/bitcoin/ohlc").respond_with_data("no", status=status)
    client = source(httpserver.url_for(""), clock)
    with pytest.raises(error):
        client.candles("BTCUSDT", Interval.HOUR, NOW - DAY_MS, NOW)
    client.close()


@pytest.mark.parametrize("source", [Kraken, CoinGecko])
def test_after_a_429_nothing_is_sent_until_its_time_is_over(
    httpserver: HTTPServer, clock: ManualClock, source: type[Kraken | CoinGecko]
) -> None:
    for path in ("/0/public/OHLC", "/api/v3/coins/bitcoin/ohlc"):
        httpserver.expect_request(path).respond_with_data("slow down", status=429, headers={"Retry-After": "30"})
    client = source(httpserver.url_for(""), clock)
    for _ in range(3):
        with pytest.raises(RateLimitedError) as caught:
            client.candles("BTCUSDT", Interval.HOUR, NOW - DAY_MS, NOW)
        assert caught.value.retry_after == client.standing().silent_seconds == 30
    assert len(httpserver.log) == 1
    clock.advance(31)
    with pytest.raises(RateLimitedError):
        client.candles("BTCUSDT", Interval.HOUR, NOW - DAY_MS, NOW)
    assert len(httpserver.log) == 2
    client.close()


@pytest.mark.parametrize(("interval", "count"), [(Interval.HOUR, 22), (Interval.DAY, 28)])
def test_coingeckos_hours_and_days_are_made_of_whole_parts_alone(coingecko: CoinGecko, interval: Interval, count: int) -> None:
    last = interval.last_closed(NOW)
    start = last - (count - 1) * interval.ms
    got, expected = coingecko.candles("ETHUSDT", interval, start, NOW), truth("ETHUSDT", interval, start, last)
    prices = ["open_time", "open", "high", "low", "close"]
    pd.testing.assert_frame_equal(got[prices], expected[prices], check_exact=True)
    assert (got["volume"] == 0).all()
    assert got[["quote_volume", "trades", "taker_base", "taker_quote"]].isna().all().all()
    assert coingecko.reach(interval) == count


@pytest.mark.parametrize("interval", [Interval.MINUTE, Interval.FIVE_MINUTES, Interval.QUARTER])
def test_coingecko_has_nothing_finer_than_half_an_hour(coingecko: CoinGecko, interval: Interval) -> None:
    with pytest.raises(UnknownSymbolError, match=interval.value):
        coingecko.candles("BTCUSDT", interval, NOW - HOUR_MS, NOW)


def test_coingeckos_name_of_a_token_is_never_guessed(coingecko: CoinGecko) -> None:
    with pytest.raises(UnknownSymbolError):
        coingecko.candles("SUPERBITCOINUSDT", Interval.HOUR, NOW - DAY_MS, NOW)


def test_coingeckos_stamp_is_the_close_and_a_half_hour_without_its_neighbour_makes_no_hour(
    httpserver: HTTPServer, clock: ManualClock
) -> None:
    hour = NOW // HOUR_MS * HOUR_MS - 3 * HOUR_MS
    half = HOUR_MS // 2
    rows = [
        [hour, 9, 9, 9, 9],
        [hour + half, 10, 12, 9, 11],
        [hour + 2 * half, 11, 13, 8, 12],
        [hour + 3 * half, 12, 14, 11, 13],
        [hour + 5 * half + 7, 13, 13, 13, 13],
        "nonsense",
    ]
    httpserver.expect_request("/api/v3/coins/bitcoin/ohlc").respond_with_json(rows)
    client = CoinGecko(httpserver.url_for(""), clock)
    got = client.candles("BTCUSDT", Interval.HOUR, 0, NOW)
    assert got[["open_time", "open", "high", "low", "close"]].to_numpy().tolist() == [[hour, 10, 13, 8, 12]]
    assert bad_rows(got) == 1
    client.close()


def test_each_source_tells_its_time(kraken: Kraken, coingecko: CoinGecko) -> None:
    assert abs(kraken.time_ms() - NOW) < 1000
    assert abs(coingecko.time_ms() - NOW) <= 1000
