"""Binance's public archive of spot candles: one zip file a day and one a month, each with its SHA-256 beside it.

`<base>/data/spot/daily|monthly/klines/<SYMBOL>/<interval>/<SYMBOL>-<interval>-<date>.zip`, described at
https://github.com/binance/binance-public-data. Months of minutes come from here in a few requests that cost no request weight. A
file is held in memory alone, and nothing of it is believed before its checksum and its days are right.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Final

import pandas as pd

from market.archive.rows import read_rows
from market.bounded_http import Answer, BoundedHttp
from market.exchanges.binance import SYMBOL_PATTERN
from market.exchanges.exchange import PAGE
from node.durations import DAY_MS, Interval
from node.errors import BadMarketDataError, ExchangeRefusedError, ExchangeUnreachableError, UnknownSymbolError

MAX_ZIP_BYTES: Final = 16_000_000
"""In bytes; a month of minutes of the liveliest pair has about three million."""

_CHECKSUM: Final = re.compile(r"([0-9a-fA-F]{64})\s+\*?(\S+)\s*")
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Period:
    """The whole UTC days of one file."""

    first: date
    days: int
    is_month: bool

    @property
    def start_ms(self) -> int:
        return (self.first - _EPOCH).days * DAY_MS

    @property
    def end_ms(self) -> int:
        """The instant at which its last day ends."""
        return self.start_ms + self.days * DAY_MS

    @property
    def kind(self) -> str:
        return "monthly" if self.is_month else "daily"

    def each_day(self) -> list[Period]:
        """Its days, oldest first."""
        return [Period(self.first + timedelta(days=day), 1, False) for day in range(self.days)]

    def __str__(self) -> str:
        return self.first.isoformat()[:7] if self.is_month else self.first.isoformat()


def periods(interval: Interval, start_ms: int, end_ms: int) -> Iterator[Period]:
    """Files that hold candles between two instants, newest first: a month that has ended as a whole, the others by the day.

    Only those that can hold more than one page of REST: asking for less by file would be more work, not less.
    """
    day = _day_of(end_ms) - timedelta(days=1)
    while day >= _day_of(start_ms):
        length = calendar.monthrange(day.year, day.month)[1]
        period = Period(day.replace(day=1), length, True) if day.day == length else Period(day, 1, False)
        if (period.end_ms - period.start_ms) // interval.ms > PAGE:
            yield period
        day = period.first - timedelta(days=1)


def _day_of(time_ms: int) -> date:
    return datetime.fromtimestamp(time_ms / 1000, UTC).date()


class BinanceArchive:
    """Client of the archive at `base`. `total_timeout` bounds one file, in seconds."""

    def __init__(self, base: str, *, connect_timeout: float = 5, read_timeout: float = 10, total_timeout: float = 120) -> None:
        self._base = base.rstrip("/")
        self._http = BoundedHttp((connect_timeout, read_timeout), total_timeout, MAX_ZIP_BYTES)

    def checksum(self, symbol: str, interval: Interval, period: Period) -> str | None:
        """SHA-256 of the file's present edition, in hexadecimal; None if the archive has no such file."""
        answer = self._get(_path(symbol, interval, period) + ".CHECKSUM")
        if answer is None:
            return None
        match = _CHECKSUM.fullmatch(answer.body[:400].decode("ascii", "replace"))
        if match is None or match[2] != f"{_name(symbol, interval, period)}.zip":
            raise BadMarketDataError(f"the archive's checksum of {_name(symbol, interval, period)} cannot be read: {answer.start}")
        return match[1].lower()

    def candles(self, symbol: str, interval: Interval, period: Period, checksum: str) -> pd.DataFrame:
        """The candles of the file with that checksum; rows that break an invariant, or lie outside its days, are left out.

        BadMarketDataError for a file that is not what it should be: another edition than the checksum's, a futures file, times
        of other days, a zip that grows beyond every measure.
        """
        name = _name(symbol, interval, period)
        answer = self._get(_path(symbol, interval, period))
        if answer is None:
            raise BadMarketDataError(f"the archive has a checksum of {name}, but no file")
        if sha256(answer.body).hexdigest() != checksum:
            raise BadMarketDataError(f"the archive's {name} does not have its checksum")
        return read_rows(answer.body, name, interval, period.start_ms, period.end_ms)

    def close(self) -> None:
        """Give connections back."""
        self._http.close()

    def _get(self, path: str) -> Answer | None:
        """The file at `path`; None if there is none."""
        answer = self._http.get(self._base + path, {})
        if answer.status == 404:
            return None
        if answer.status in (403, 451):
            raise ExchangeRefusedError(f"{self._base} {answer.status_text}")
        if answer.status != 200:
            raise ExchangeUnreachableError(f"{self._base} {answer.status_text}")
        return answer


def _name(symbol: str, interval: Interval, period: Period) -> str:
    if not SYMBOL_PATTERN.fullmatch(symbol):
        raise UnknownSymbolError(f"{symbol[:40]!r} cannot be a pair of the exchange")
    return f"{symbol}-{interval}-{period}"


def _path(symbol: str, interval: Interval, period: Period) -> str:
    return f"/data/spot/{period.kind}/klines/{symbol}/{interval}/{_name(symbol, interval, period)}.zip"
