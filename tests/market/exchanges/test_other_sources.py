"""Kraken and CoinGecko against the simulated exchange: what each can give, and what it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs

from market.exchanges.coingecko import KEY_HEADER, CoinGecko
from market.exchanges.exchange import bad_rows
from market.exchanges.kraken import LOCKED_OUT_SECONDS, REACH, Kraken
from node.clock import ManualClock
from node.durations import DAY_MS, HOUR_MS, Interval
from node.environment import Settings
from node.errors import (
    BadMarketDataError,
    ConfigError,
    ExchangeRefusedError,
    ExchangeUnreachableError,
    MarketError,
    RateLimitedError,
    UnknownSymbolError,
)
from node.secrets import Secret
from simulator.exchange.candles import VALUES
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.errors import error_text
from tests.support.exchange_server import running_exchange
from tests.support.market_candles import NOW_MS

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
        ('{"error":["EAPI:Rate limit exceeded"]}', RateLimitedError),
        ('{"error":["EGeneral:Temporary lockout"]}', RateLimitedError),
        ('{"error":["WDatabase:Slow","EGeneral:Temporary lockout"]}', RateLimitedError),
        ('{"error":["EService:Busy"]}', ExchangeUnreachableError),
        ('{"error":["EService:Market in cancel_only mode"]}', ExchangeUnreachableError),
        ('{"error":["EGeneral:Internal error"]}', ExchangeUnreachableError),
        ('{"error":["EGeneral:Permission denied"]}', ExchangeRefusedError),
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
        assert caught.value.retry_after == client.status().silent_seconds == 30
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


def kraken_rows(step_s: int, count: int) -> list[list[object]]:
    first = NOW_MS // 1000 - count * step_s
    return [[first + i * step_s, "100", "101", "99", "100", "100", "1", 3] for i in range(count)]


def test_a_warning_of_kraken_discards_no_result(httpserver: HTTPServer, clock: ManualClock) -> None:
    body = {"error": ["WGeneral:Deprecated endpoint"], "result": {"XXBTZUSD": kraken_rows(60, 5), "last": 1}}
    httpserver.expect_request("/0/public/OHLC").respond_with_json(body)
    client = Kraken(httpserver.url_for(""), clock)
    with capture_logs() as logs:
        assert len(client.candles("BTCUSDT", Interval.MINUTE, NOW - HOUR_MS, NOW)) == 5
    assert [entry["reason"] for entry in logs] == ["WGeneral:Deprecated endpoint"]
    client.close()


def test_after_a_lockout_kraken_is_left_alone_for_as_long_as_it_wants(httpserver: HTTPServer, clock: ManualClock) -> None:
    httpserver.expect_request("/0/public/OHLC").respond_with_json({"error": ["EGeneral:Temporary lockout"]})
    client = Kraken(httpserver.url_for(""), clock)
    for _ in range(3):
        with pytest.raises(RateLimitedError):
            client.candles("BTCUSDT", Interval.MINUTE, NOW - HOUR_MS, NOW)
        clock.advance(200)
    assert len(httpserver.log) == 1
    clock.advance(LOCKED_OUT_SECONDS - 600)
    with pytest.raises(RateLimitedError):
        client.candles("BTCUSDT", Interval.MINUTE, NOW - HOUR_MS, NOW)
    assert len(httpserver.log) == 2
    client.close()


@pytest.mark.parametrize(("asked", "sent_s"), [(Interval.FIVE_MINUTES, 60), (Interval.HOUR, 900), (Interval.MINUTE, 300)])
def test_krakens_rows_of_another_interval_are_refused(
    httpserver: HTTPServer, clock: ManualClock, asked: Interval, sent_s: int
) -> None:
    body = {"error": [], "result": {"XXBTZUSD": kraken_rows(sent_s, 60), "last": 1}}
    httpserver.expect_request("/0/public/OHLC").respond_with_json(body)
    client = Kraken(httpserver.url_for(""), clock)
    with pytest.raises(BadMarketDataError, match="another interval"):
        client.candles("BTCUSDT", asked, NOW - DAY_MS, NOW)
    client.close()


@pytest.mark.parametrize("minutes", [5, 240])
def test_coingeckos_rows_of_another_length_are_refused(httpserver: HTTPServer, clock: ManualClock, minutes: int) -> None:
    end = NOW // DAY_MS * DAY_MS
    rows = [[end - i * minutes * 60_000, 9, 9, 9, 9] for i in range(40)]
    httpserver.expect_request("/api/v3/coins/bitcoin/ohlc").respond_with_json(rows)
    client = CoinGecko(httpserver.url_for(""), clock)
    with pytest.raises(BadMarketDataError, match="apart"):
        client.candles("BTCUSDT", Interval.HOUR, 0, NOW)
    client.close()


def test_coingeckos_key_goes_into_a_header_and_nowhere_else(httpserver: HTTPServer, clock: ManualClock) -> None:
    key = "CG-0123456789abcdef"
    httpserver.expect_request("/api/v3/coins/bitcoin/ohlc").respond_with_data("no", status=401)
    client = CoinGecko(httpserver.url_for(""), clock, api_key=Secret(key))
    with capture_logs() as logs, pytest.raises(ExchangeRefusedError) as caught:
        client.candles("BTCUSDT", Interval.HOUR, 0, NOW)
    ((request, _),) = httpserver.log
    assert request.headers[KEY_HEADER] == key
    assert key not in request.url + error_text(caught.value) + str(logs)
    client.close()
    plain = CoinGecko(httpserver.url_for(""), clock)
    with pytest.raises(ExchangeRefusedError):
        plain.candles("BTCUSDT", Interval.HOUR, 0, NOW)
    assert KEY_HEADER not in httpserver.log[-1][0].headers
    plain.close()


def test_coingeckos_key_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COINGECKO_API_KEY", "CG-from-the-environment")
    key = Settings(_env_file=None).coingecko_key
    assert key is not None
    assert key.get_secret_value() == "CG-from-the-environment"
    (tmp_path / "key").write_text("CG-from-the-file\n")
    monkeypatch.setenv("COINGECKO_API_KEY_FILE", str(tmp_path / "key"))
    settings = Settings(_env_file=None)
    assert settings.coingecko_key is not None
    assert settings.coingecko_key.get_secret_value() == "CG-from-the-file"
    assert "CG-from" not in repr(settings)
    monkeypatch.setenv("COINGECKO_API_KEY_FILE", str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="COINGECKO_API_KEY_FILE"):
        _ = Settings(_env_file=None).coingecko_key
