"""Binance spot: closed candles over REST from an ordered list of bases.

Formats and limits as of 2026: https://developers.binance.com/docs/binance-spot-api-docs/rest-api. What goes wrong is told apart,
because each wants something else: a base that is down or refuses us is passed over, a rate limit stops every request, a body that
cannot be right is never stored, and an unknown pair is the operator's to mend.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final, NoReturn

import numpy as np
import pandas as pd
import requests
import structlog
import urllib3

from market.candles import COLUMNS, empty_candles, sound_rows
from market.exchange import PAGE, Exchange, with_bad_rows
from node.clock import Clock
from node.durations import DAY_MS, HOUR_MS, MINUTE_MS, Interval
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
LARGEST_BODY: Final = 4_000_000
"""A page of 1000 candles is about 200 kB."""

WEIGHT_LIMIT: Final = 6_000
WEIGHT_PAUSE: Final = 5_400
"""Used weight of this minute at which the client waits for the next."""

LONGEST_PAUSE_S: Final = 15.0
LONGEST_BAN_MS: Final = 3 * DAY_MS
REFUSED_MS: Final = HOUR_MS
"""How long a base that answered 403 or 451 is left alone."""

FAILED_MS: Final = MINUTE_MS
"""How long a base that was down is asked last."""

_DEFAULT_RETRY_S: Final = {429: 60.0, 418: 120.0}
_UNKNOWN_SYMBOL: Final = -1121
_WIRE_COLUMNS: Final = 12
_BANNED_UNTIL: Final = re.compile(r"banned until (\d{12,14})")


class _Answer:
    """A whole response: status, headers, and a body whose size and duration were bounded."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> Any:
        """The body; ValueError if it is not JSON, or holds a NaN that JSON does not have."""
        return json.loads(self.body, parse_constant=_no_constant)

    def error(self) -> tuple[int, str]:
        """Binance's own error code and message; (0, "") where the body has none."""
        try:
            content = self.json()
            return int(content["code"]), str(content["msg"])[:200]
        except (ValueError, TypeError, KeyError):
            return 0, ""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class _Base:
    """One base URL and since when it is left alone."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.refused_until = 0
        self.failed_until = 0


class BinanceSpot(Exchange):
    """Client for /api/v3 of Binance spot. Threads may share one; it holds their requests to the same limits.

    `bases` are tried in order; times are in seconds, `total_timeout` bounds one request over all bases together.
    """

    name = "binance"

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
        self.used_weight = 0
        self._bases = [_Base(url) for url in bases]
        self._clock = clock
        self._timeouts = (connect_timeout, read_timeout)
        self._seconds_per_base = total_timeout / len(bases)
        self._silent_until = 0
        self._session = requests.Session()
        self._closed = threading.Event()

    def candles(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        """Closed candles with start_ms <= open_time <= end_ms; see `Exchange.candles` and the errors of `node.errors`."""
        if not SYMBOL_PATTERN.fullmatch(symbol):
            raise UnknownSymbolError(f"{symbol[:40]!r} cannot be a pair of the exchange")
        end_ms = min(end_ms, interval.last_closed(self._clock.now_ms()))
        pages: list[pd.DataFrame] = []
        bad, start = 0, max(0, start_ms)
        while start <= end_ms:
            query = {"symbol": symbol, "interval": interval.value, "startTime": start, "endTime": end_ms, "limit": PAGE}
            page, count, dropped = self._page(query, interval)
            bad += dropped
            page = page[page["open_time"].between(start, end_ms)]
            if page.empty:
                break
            pages.append(page)
            start = int(page["open_time"].iloc[-1]) + interval.ms
            if count < PAGE:
                break
        if bad:
            log.warning("candles that break an invariant were left out", symbol=symbol, interval=interval.value, rows=bad)
        return with_bad_rows(pd.concat(pages, ignore_index=True) if pages else empty_candles(), bad)

    def time_ms(self) -> int:
        """The exchange's own time, UTC milliseconds."""

        def read(answer: _Answer) -> int:
            try:
                return int(answer.json()["serverTime"])
            except (ValueError, TypeError, KeyError):
                raise BadMarketDataError(f"the exchange's time cannot be read: {_start_of(answer.body)}") from None

        return int(self._ask("/api/v3/time", {}, read))

    def close(self) -> None:
        """Give connections back and end a pause."""
        self._closed.set()
        self._session.close()

    def _page(self, query: dict[str, Any], interval: Interval) -> tuple[pd.DataFrame, int, int]:
        """One page: its closed candles, how many rows were sent, and how many of them broke an invariant."""

        def read(answer: _Answer) -> tuple[pd.DataFrame, int, int]:
            now_ms = _earlier(self._clock.now_ms(), answer.headers.get("Date"))
            return _read_page(answer, interval, now_ms)

        result: tuple[pd.DataFrame, int, int] = self._ask("/api/v3/klines", query, read)
        return result

    def _ask(self, path: str, query: dict[str, Any], read: Any) -> Any:
        """What `read` makes of the first base's answer that it can read; the errors of all bases otherwise."""
        self._wait_for_weight()
        errors: list[MarketError] = []
        for base in self._usable_bases():
            self._check_silence()
            try:
                answer = self._get(base, path, query)
                self._check_status(base, answer)
                result = read(answer)
            except (ExchangeUnreachableError, BadMarketDataError) as error:
                base.failed_until = self._clock.now_ms() + FAILED_MS
                errors.append(error)
            except ExchangeRefusedError as error:
                base.refused_until = self._clock.now_ms() + REFUSED_MS
                log.warning("the exchange refuses us here, this address is left alone for an hour", base=base.url, error=error)
                errors.append(error)
            else:
                base.failed_until = 0
                return result
        raise _sum_of(errors, [base.url for base in self._bases])

    def _usable_bases(self) -> list[_Base]:
        """In the given order, those that failed a moment ago last; not those that refuse us."""
        now_ms = self._clock.now_ms()
        usable = [base for base in self._bases if base.refused_until <= now_ms]
        return sorted(usable, key=lambda base: base.failed_until > now_ms)

    def _check_silence(self) -> None:
        left_ms = self._silent_until - self._clock.now_ms()
        if left_ms > 0:
            message = f"the exchange's rate limit holds for another {left_ms / 1000:.0f} s"
            raise RateLimitedError(message, retry_after=left_ms / 1000)

    def _wait_for_weight(self) -> None:
        if self.used_weight >= WEIGHT_PAUSE:
            left_ms = MINUTE_MS - self._clock.now_ms() % MINUTE_MS
            self._clock.wait(min(left_ms / 1000, LONGEST_PAUSE_S), self._closed)

    def _get(self, base: _Base, path: str, query: dict[str, Any]) -> _Answer:
        deadline = time.perf_counter() + self._seconds_per_base
        try:
            with self._session.get(
                base.url + path, params=query, timeout=self._timeouts, stream=True, allow_redirects=False
            ) as response:
                self._follow_weight(response.headers.get("X-MBX-USED-WEIGHT-1M"))
                return _Answer(response.status_code, response.headers, _read_body(response, deadline))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise ExchangeUnreachableError(
                f"{base.url}: {_reason(error)}", hint="It is asked again with the next candle."
            ) from None

    def _follow_weight(self, header: str | None) -> None:
        if header is not None and header.isdecimal():
            self.used_weight = int(header[:9])

    def _check_status(self, base: _Base, answer: _Answer) -> None:
        """Nothing for 200, the fitting MarketError for anything else."""
        if answer.status == 200:
            return
        code, message = answer.error()
        if answer.status in _DEFAULT_RETRY_S:
            self._fall_silent(answer, message)
        if answer.status in (403, 451):
            raise ExchangeRefusedError(f"{base.url} answered {answer.status}")
        if answer.status >= 500:
            raise ExchangeUnreachableError(f"{base.url} answered {answer.status}")
        if code == _UNKNOWN_SYMBOL:
            raise UnknownSymbolError(f"{self.name} has no such pair", hint="Check the topic's Token in config.json.")
        raise BadMarketDataError(f"{base.url} answered {answer.status}: {message or _start_of(answer.body)}")

    def _fall_silent(self, answer: _Answer, message: str) -> NoReturn:
        now_ms = self._clock.now_ms()
        header, banned = answer.headers.get("Retry-After", ""), _BANNED_UNTIL.search(message)
        if header.strip().isdecimal():
            wait_ms = int(header.strip()[:9]) * 1000
        elif banned:
            wait_ms = int(banned[1]) - now_ms
        else:
            wait_ms = round(_DEFAULT_RETRY_S[answer.status] * 1000)
        wait_ms = min(max(wait_ms, 1_000), LONGEST_BAN_MS)
        self._silent_until = max(self._silent_until, now_ms + wait_ms)
        text = f"the exchange answered {answer.status}: no request for {wait_ms / 1000:.0f} s"
        raise RateLimitedError(text, retry_after=wait_ms / 1000, hint="Give the node an address of its own if this goes on.")


def _read_body(response: requests.Response, deadline: float) -> bytes:
    """The body, as far as size and time allow. `read1` hands over what has arrived, so that no drip can outlast the deadline."""
    body = bytearray()
    while True:
        part = response.raw.read1(65_536, decode_content=True)
        if not part:
            return bytes(body)
        body += part
        if len(body) > LARGEST_BODY:
            raise requests.RequestException(f"the answer is longer than {LARGEST_BODY} bytes")
        if time.perf_counter() > deadline:
            raise requests.Timeout("the answer took too long")


def _read_page(answer: _Answer, interval: Interval, now_ms: int) -> tuple[pd.DataFrame, int, int]:
    """Closed candles of a klines body sorted by open time, the number of rows, and how many rows were bad.

    BadMarketDataError if it is not a list of rows, or if not one of them is right.
    """
    try:
        rows = answer.json()
    except (ValueError, RecursionError):
        raise BadMarketDataError(f"the answer is not JSON: {_start_of(answer.body)}") from None
    if not isinstance(rows, list):
        raise BadMarketDataError(f"the answer is not a list of candles: {_start_of(answer.body)}")
    read = [values for values in (_read_row(row, interval) for row in rows) if values is not None]
    if rows and not read:
        raise BadMarketDataError(f"not one of {len(rows)} rows is a candle: {_start_of(answer.body)}")
    table = np.array(read, dtype=np.float64).reshape(len(read), len(COLUMNS))
    frame = pd.DataFrame(table, columns=list(COLUMNS)).drop_duplicates().sort_values("open_time", ignore_index=True)
    # A clock may run a little behind the exchange's; a candle further ahead than the next one is made up.
    sound = sound_rows(frame, interval) & (frame["open_time"] <= now_ms + interval.ms).to_numpy()
    bad = len(rows) - len(read) + int((~sound).sum())
    if len(frame) and not sound.any():
        raise BadMarketDataError(f"not one of {len(rows)} candles keeps the invariants: {_start_of(answer.body)}")
    closed = frame[sound & (frame["open_time"] + interval.ms <= now_ms).to_numpy()].reset_index(drop=True)
    return closed.astype({"open_time": np.int64}), len(rows), bad


def _read_row(row: Any, interval: Interval) -> list[float] | None:
    """The numbers of one row in the order of COLUMNS; None if it is not a candle of this interval."""
    if not isinstance(row, list) or len(row) != _WIRE_COLUMNS:
        return None
    try:
        open_time, close_time = int(row[0]), int(row[6])
        # Halts have left candles that closed early, so that only the bounds of the close time are certain.
        if not open_time < close_time < open_time + interval.ms:
            return None
        return [float(open_time), *(float(value) for value in (*row[1:6], *row[7:11]))]
    except (TypeError, ValueError, OverflowError):
        return None


def _earlier(now_ms: int, date: str | None) -> int:
    """The earlier of our time and the exchange's, which comes in whole seconds.

    With a clock that runs ahead, the candle still forming would pass for a closed one.
    """
    try:
        return min(now_ms, round(parsedate_to_datetime(date or "").timestamp()) * 1000 + 999)
    except (TypeError, ValueError, OverflowError):
        return now_ms


def _sum_of(errors: list[MarketError], bases: list[str]) -> MarketError:
    """One error for all bases: of the kind that promises most from asking again."""
    if not errors:
        return ExchangeRefusedError(f"every base refuses us: {', '.join(bases)}", hint="Set EXCHANGE_URLS to another base.")
    chosen = min(errors, key=lambda error: isinstance(error, ExchangeRefusedError))
    others = [error.message for error in errors if error is not chosen]
    chosen.message = "; ".join([chosen.message, *others])
    chosen.args = (chosen.message,)
    return chosen


def _reason(error: Exception) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)[:200] or type(error).__name__


def _start_of(body: bytes) -> str:
    return repr(body[:80].decode("utf-8", "replace"))
