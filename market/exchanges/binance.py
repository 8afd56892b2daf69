"""Binance spot: closed candles over REST from an ordered list of bases.

Limits and errors as of 2026: https://developers.binance.com/docs/binance-spot-api-docs/rest-api. What goes wrong is told apart,
because each wants something else: a base that is down or refuses us is passed over, a rate limit stops every request, a body that
cannot be right is never stored, and an unknown pair is the operator's to mend.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

import pandas as pd
import structlog

from market.bounded_http import PROXY_REFUSES, Answer, BoundedHttp
from market.candles import empty_candles
from market.exchanges.binance_wire import Page, read_page
from market.exchanges.exchange import PAGE, Exchange, ExchangeStatus, with_bad_rows, with_doubtful
from market.exchanges.exchange_time import ExchangeTime
from market.rate_limit import UNSAID_MS, RequestWeight, Silence, read_ban_ms
from node.clock import Clock, Pause
from node.durations import HOUR_MS, MINUTE_MS, SECOND_MS, Interval
from node.errors import (
    BadMarketDataError,
    ExchangeRefusedError,
    ExchangeUnreachableError,
    MarketError,
    RateLimitedError,
    UnknownSymbolError,
)

log = structlog.get_logger(__name__)

SYMBOL_PATTERN: Final = re.compile(r"[A-Z0-9]{2,20}")

REFUSED_MS: Final = HOUR_MS
"""How long a base that answered 403 or 451 is left alone."""

FAILED_MS: Final = MINUTE_MS
"""How long a base that was down is asked last."""

_REFUSED: Final = (403, 451)
_UNKNOWN_SYMBOL: Final = -1121

_Read = TypeVar("_Read")


@dataclass
class _Base:
    """A base URL, and the pauses in which it is left alone, or asked last."""

    url: str
    refused: Pause
    failed: Pause


class BinanceSpot(Exchange):
    """Client for /api/v3 of Binance spot. Threads may share one; it holds their requests to the same limits.

    `bases` are tried in order. Times are in seconds; `total_timeout` bounds one request over all bases together.
    """

    name = "binance"
    variable = "EXCHANGE_URLS"
    """Where its bases are named."""

    def __init__(
        self,
        bases: Sequence[str],
        clock: Clock,
        *,
        connect_timeout: float = 5,
        read_timeout: float = 10,
        total_timeout: float = 60,
    ) -> None:
        if not bases:
            raise ValueError("an exchange needs at least one base URL")
        self._bases = [_Base(url.rstrip("/"), Pause(clock), Pause(clock)) for url in bases]
        self._clock = clock
        self._http = BoundedHttp((connect_timeout, read_timeout), total_timeout / len(bases))
        self._silence = Silence(clock, "the exchange's rate limit")
        self._weight = RequestWeight(clock)
        self._time = ExchangeTime(clock, self._second_opinion)
        self._closed = threading.Event()

    def candles(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        """Closed candles with start_ms <= open_time <= end_ms; see `Exchange.candles` and the errors of `node.errors`."""
        if not SYMBOL_PATTERN.fullmatch(symbol):
            raise UnknownSymbolError(f"{symbol[:40]!r} cannot be a pair of the exchange")
        end_ms = min(end_ms, interval.last_closed(self._clock.now_ms()))
        parts, doubtful, bad, start = [empty_candles()], list[pd.DataFrame](), 0, max(0, start_ms)
        while start <= end_ms:
            query = {"symbol": symbol, "interval": interval.value, "startTime": start, "endTime": end_ms, "limit": PAGE}
            page = self._ask("/api/v3/klines", query, lambda answer: self._read_page(answer, interval))
            candles = page.candles[page.candles["open_time"].between(start, end_ms)]
            bad += page.bad
            parts.append(candles)
            doubtful.append(page.doubtful[page.doubtful["open_time"].between(start, end_ms)])
            if candles.empty or page.rows < PAGE:
                break
            start = int(candles["open_time"].iloc[-1]) + interval.ms
        if bad:
            log.warning("candles that break an invariant were left out", symbol=symbol, interval=interval.value, rows=bad)
        found = with_bad_rows(pd.concat(parts, ignore_index=True), bad)
        return with_doubtful(found, pd.concat(doubtful, ignore_index=True)) if doubtful else found

    def reach(self, interval: Interval) -> int | None:
        """Every candle since a pair's listing."""
        return None

    def time_ms(self) -> int:
        """The exchange's own time, UTC milliseconds."""
        return self._ask("/api/v3/time", {}, _read_time)

    def status(self) -> ExchangeStatus:
        """How Binance treats us, from what it last answered; asks nothing."""
        return ExchangeStatus(
            used_weight=self._weight.used,
            silent_seconds=self._silence.left_seconds,
            refusing=sum(base.refused.lasts for base in self._bases),
        )

    def close(self) -> None:
        """Give connections back and end a pause."""
        self._closed.set()
        self._http.close()

    def _read_page(self, answer: Answer, interval: Interval) -> Page:
        return read_page(answer, interval, self._time.closed_by(answer))

    def _ask(self, path: str, query: dict[str, Any], read: Callable[[Answer], _Read], *, last_first: bool = False) -> _Read:
        """What `read` makes of the first answer that it can read; one error for all bases otherwise.

        With `last_first` another base than usual is asked, where there is one: for a second opinion.
        """
        self._weight.wait(self._closed)
        errors: list[MarketError] = []
        bases = self._usable_bases()
        for base in bases[::-1] if last_first else bases:
            self._silence.check()
            try:
                answer = self._http.get(base.url + path, query)
                self._weight.follow(answer)
                self._check_status(base, answer, query)
                result = read(answer)
            except (ExchangeUnreachableError, BadMarketDataError) as error:
                base.failed.begin(FAILED_MS)
                errors.append(error)
            except ExchangeRefusedError as error:
                base.refused.begin(REFUSED_MS)
                log.warning("the exchange refuses us, this address is left alone for an hour", base=base.url, error=error)
                errors.append(error)
            else:
                base.failed.end()
                return result
        raise _sum_of(errors, [base.url for base in self._bases], self.variable)

    def _usable_bases(self) -> list[_Base]:
        """In the given order, those that failed a moment ago last; not those that refuse us."""
        usable = [base for base in self._bases if not base.refused.lasts]
        return sorted(usable, key=lambda base: base.failed.lasts)

    def _second_opinion(self) -> int:
        """The exchange's time, of another base if there is one; MarketError too where nothing is to spare for that."""
        if self._weight.is_used_up:
            raise RateLimitedError("request weight is nearly used up", retry_after=MINUTE_MS / SECOND_MS)
        return self._ask("/api/v3/time", {}, _read_time, last_first=True)

    def _check_status(self, base: _Base, answer: Answer, query: dict[str, Any]) -> None:
        """Nothing for 200, the fitting MarketError for anything else."""
        if answer.status == 200:
            return
        code, message = _binance_error(answer)
        if answer.status in UNSAID_MS:
            self._fall_silent(answer, message)
        if answer.status in _REFUSED:
            raise ExchangeRefusedError(f"{base.url} {answer.status_text}")
        if answer.status >= 500 or answer.status == PROXY_REFUSES:
            raise ExchangeUnreachableError(f"{base.url} {answer.status_text}", hint="It is asked again with the next candle.")
        if code == _UNKNOWN_SYMBOL:
            hint = "Check the topic's Token in config.json."
            raise UnknownSymbolError(f"{self.name} has no pair {query.get('symbol')}", hint=hint)
        raise BadMarketDataError(f"{base.url} {answer.status_text}: {message or answer.start}")

    def _fall_silent(self, answer: Answer, message: str) -> NoReturn:
        wait_ms = read_ban_ms(answer, message, self._clock.now_ms())
        text = f"the exchange answered {answer.status}: no request for {wait_ms / 1000:.0f} s"
        self._silence.begin(wait_ms, text, "Give the node an address of its own if this goes on.")


class BinanceUs(BinanceSpot):
    """Binance.US: the same routes before another market, with other prices and hardly any volume."""

    name = "binance_us"
    variable = "BINANCE_US_URL"


def _read_time(answer: Answer) -> int:
    try:
        return int(answer.json()["serverTime"])
    except (ValueError, TypeError, KeyError):
        raise BadMarketDataError(f"the exchange's time cannot be read: {answer.start}") from None


def _binance_error(answer: Answer) -> tuple[int, str]:
    """Binance's own error code and message; (0, "") where the body has none."""
    try:
        content = answer.json()
        return int(content["code"]), str(content["msg"])[:200]
    except (ValueError, TypeError, KeyError):
        return 0, ""


def _sum_of(errors: list[MarketError], bases: list[str], variable: str) -> MarketError:
    """One error for all bases: of the kind that promises most from asking again."""
    if not errors:
        return ExchangeRefusedError(f"every base refuses us: {', '.join(bases)}", hint=f"Set {variable} to another base.")
    chosen = min(errors, key=lambda error: isinstance(error, ExchangeRefusedError))
    message = "; ".join(error.message for error in errors)
    return type(chosen)(message, hint=chosen.hint)
