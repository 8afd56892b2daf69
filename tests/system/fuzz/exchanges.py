"""What Binance, Kraken and CoinGecko answer, through their clients: status, headers and body."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from market.exchanges.binance import BinanceSpot
from market.exchanges.coingecko import CoinGecko
from market.exchanges.exchange import Exchange, bad_rows
from market.exchanges.kraken import Kraken
from node.clock import ManualClock
from node.durations import Interval
from node.errors import MarketError
from tests.support.market_candles import NOW_MS
from tests.system.fuzz.target import Check, Target, check_refusal
from tests.system.fuzz.wire import EVERYWHERE, HOURS_START_MS, MINUTES_START_MS, Saying, answer, check_sound, recorded


def _binance(data: bytes) -> Exchange:
    client: Any = BinanceSpot(["http://exchange"], ManualClock(NOW_MS))
    client._http = Saying(answer(data))
    return client  # type: ignore[no-any-return]


def _kraken(data: bytes) -> Exchange:
    client: Any = Kraken("http://exchange", ManualClock(NOW_MS))
    client._api._http = Saying(answer(data))
    return client  # type: ignore[no-any-return]


def _coingecko(data: bytes) -> Exchange:
    client: Any = CoinGecko("http://exchange", ManualClock(NOW_MS))
    client._api._http = Saying(answer(data))
    return client  # type: ignore[no-any-return]


def _checks(client: Any, interval: Interval, start_ms: int) -> Any:
    @contextmanager
    def prepare(_: Path) -> Iterator[Check]:
        def check(data: bytes) -> bool:
            try:
                time_ms = client(data).time_ms()
                assert isinstance(time_ms, int)
            except MarketError as error:
                check_refusal(error)
            asked = client(data)
            try:
                candles = asked.candles("BTCUSDT", interval, start_ms, NOW_MS)
            except MarketError as error:
                check_refusal(error)
                return False
            finally:
                assert asked.status().silent_seconds >= 0
            check_sound(candles, interval, start_ms, NOW_MS)
            assert bad_rows(candles) >= 0
            return True

        yield check

    return prepare


BINANCE = Target(
    _checks(_binance, Interval.MINUTE, MINUTES_START_MS),
    lambda: recorded()["binance"],
    (*EVERYWHERE, b"X-MBX-USED-WEIGHT-1M: ", b'"code"', b'"msg"', b"-1121", b"IP banned until 1750000900000", b'"serverTime"'),
)
KRAKEN = Target(
    _checks(_kraken, Interval.MINUTE, MINUTES_START_MS),
    lambda: recorded()["kraken"],
    (*EVERYWHERE, b'"error"', b'"result"', b'"last"', b'"unixtime"', b"EAPI:Rate limit exceeded", b"EService:Busy"),
)
COINGECKO = Target(_checks(_coingecko, Interval.HOUR, HOURS_START_MS), lambda: recorded()["coingecko"], EVERYWHERE)
