"""Answers of exchanges as bytes, recorded from the simulated ones, and clients that are given such bytes instead of a socket."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

from market.bounded_http import Answer
from market.candles import check_candles, plausible_rows
from node.clock import ManualClock
from node.durations import DAY_MS, HOUR_MS, MINUTE_MS, Interval
from simulator.exchange.failures import NAMES, Failures
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.exchange_server import running_exchange
from tests.support.market_candles import NOW_MS

MARKET = SyntheticMarket(seed=5, days=20)
HOUR_FILE = "BTCUSDT-1h-2025-06-02"
FUTURES_FILE = "BTCUSDT-1h-2025-06-03"
INCOMPLETE_FILE = "BTCUSDT-1h-2025-06-07"
ENDLESS = ("timeout", "slow_drip", "reset", "halt")
"""Failures that are no answer."""

EVERYWHERE = (b"Date: ", b"Retry-After: ", b"HTTP/1.1 429", b"NaN", b"-Infinity", b'"1e309"', b'"\\ud800"', b"null", b"[]", b"{}")


def answer(data: bytes) -> Answer:
    """The answer that these bytes are, more or less: a status line, headers, an empty line, a body."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = first.split(" ")[1] if first.count(" ") else ""
    headers = CaseInsensitiveDict({name: value.strip() for name, _, value in (line.partition(":") for line in lines)})
    return Answer(int(status) if status.isascii() and status.isdigit() and len(status) == 3 else 200, headers, body)


def as_bytes(response: requests.Response) -> bytes:
    """The other way round."""
    head = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    return f"HTTP/1.1 {response.status_code} {response.reason}\r\n{head}\r\n".encode("latin-1") + response.content


class Saying:
    """In place of BoundedHttp: always the same answer."""

    def __init__(self, said: Answer) -> None:
        self._said = said

    def get(self, url: str, query: dict[str, Any]) -> Answer:
        return self._said

    def close(self) -> None:
        pass


def check_sound(candles: Any, interval: Interval, start_ms: int, end_ms: int) -> None:
    """What a client returned keeps every rule of a candle, has closed, and was asked for."""
    check_candles(candles, interval, NOW_MS)
    assert candles["open_time"].between(start_ms, end_ms).all()
    assert candles["open_time"].is_monotonic_increasing
    assert plausible_rows(candles, interval).all()


@lru_cache(maxsize=1)
def recorded() -> dict[str, list[bytes]]:
    """Answers by the exchange that gave them, those in trouble too."""
    clock = ManualClock(NOW_MS)
    failures = Failures(clock)
    answers: dict[str, list[bytes]] = {}
    with running_exchange(MARKET, clock, failures) as url, requests.Session() as session:

        def ask(kind: str, path: str, **query: object) -> None:
            got = session.get(url + path, params={name: str(value) for name, value in query.items()}, timeout=30)
            answers.setdefault(kind, []).append(as_bytes(got))

        minutes = {"symbol": "BTCUSDT", "interval": "1m", "startTime": NOW_MS - 6 * MINUTE_MS, "endTime": NOW_MS, "limit": 1000}
        ask("binance", "/api/v3/klines", **minutes)
        ask("binance", "/api/v3/klines", **minutes | {"symbol": "NOTUSDT"})
        ask("binance", "/api/v3/time")
        for name in NAMES:
            if name not in ENDLESS:
                failures.start(name)
                ask("binance", "/api/v3/klines", **minutes)
                failures.heal()
        since = (NOW_MS - 6 * MINUTE_MS) // 1000
        ask("kraken", "/0/public/OHLC", pair="XBTUSD", interval=1, since=since)
        ask("kraken", "/0/public/OHLC", pair="NOTUSD", interval=1, since=since)
        ask("kraken", "/0/public/OHLC", pair="XBTUSD", interval=2)
        ask("kraken", "/0/public/Time")
        ask("coingecko", "/api/v3/coins/bitcoin/ohlc", vs_currency="usd", days=1)
        ask("coingecko", "/api/v3/coins/no-coin/ohlc", vs_currency="usd", days=1)
        ask("coingecko", "/api/v3/coins/bitcoin/ohlc", vs_currency="usd", days=3)
        for name in (HOUR_FILE, FUTURES_FILE, INCOMPLETE_FILE):
            ask("archive", f"/data/spot/daily/klines/BTCUSDT/1h/{name}.zip")
        ask("checksum", f"/data/spot/daily/klines/BTCUSDT/1h/{HOUR_FILE}.zip.CHECKSUM")
    return answers


MINUTES_START_MS = NOW_MS - 6 * MINUTE_MS
HOURS_START_MS = NOW_MS - NOW_MS % HOUR_MS - DAY_MS
