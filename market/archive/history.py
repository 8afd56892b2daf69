"""Fills the store's past from the archive, newest file first; what the files lack is left to REST.

Each file is committed before the next is asked for, so that a killed process goes on where it was. A file that is missing, wrong or
out of reach costs nothing but its requests: its days stay gaps, which REST fills afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from market.archive.client import BinanceArchive, Period, periods
from market.archive.log import TakenFile, TakenFiles
from market.candle_store import CandleStore
from market.doubts import Doubts
from market.exchanges.exchange import PAGE, bad_rows, doubtful_rows, within
from node.durations import DAY_MS, Interval
from node.errors import BadMarketDataError, MarketError

log = structlog.get_logger(__name__)

ARCHIVE = "archive"
"""Its name where it counts that a file says something, and not REST."""

SOURCE = "binance"
"""The archive holds the very candles that the exchange's REST route hands out."""

ASK_AGAIN_MS = DAY_MS
"""How often a file that was taken is looked at again: it may have been issued anew."""

MONTH_IS_LATE_MS = 10 * DAY_MS
"""A month that ended longer ago and has no file was before the pair's listing: its days have none either."""


@dataclass
class ArchiveHistory:
    """One walk over the files of one symbol between two open times, both included."""

    store: CandleStore
    archive: BinanceArchive
    symbol: str
    interval: Interval
    first_ms: int
    last_ms: int
    now_ms: int

    def __post_init__(self) -> None:
        self._files = TakenFiles(self.store.engine)
        self._doubts = Doubts(self.store.engine)
        self._taken = self._files.of(self.symbol, self.interval)

    def fill(self, stop: threading.Event, on_file: Callable[[], None]) -> int:
        """Take in every file that is worth its request; how many candles were written. `on_file` is called after each.

        No error of the archive is raised: it is logged, and what it should have brought is missing as it was before.
        """
        written = 0
        waiting = list(periods(self.interval, self.first_ms, self.now_ms))[::-1]
        while waiting and not stop.is_set():
            period = waiting.pop()
            if not self._is_wanted(period):
                continue
            try:
                candles = self._take(period)
            except BadMarketDataError as error:
                log.warning("a file of the archive is not taken", symbol=self.symbol, file=str(period), error=error)
                continue
            except MarketError as error:
                log.warning("the archive cannot be had, history comes by REST", error=error)
                break
            if candles is None:
                waiting += self._days_instead(period)
                continue
            written += candles
            on_file()
        return written

    def _is_wanted(self, period: Period) -> bool:
        """Whether more of it is missing than one page of REST brings, or it is time to ask for a new edition."""
        if self._lacks(period) > PAGE:
            return True
        taken = self._taken.get(str(period))
        # What was asked while the clock was far ahead is due as well.
        return taken is not None and abs(self.now_ms - taken.asked_ms) >= ASK_AGAIN_MS

    def _take(self, period: Period) -> int | None:
        """Write the file's candles; how many they were, None if there is no such file."""
        checksum = self.archive.checksum(self.symbol, self.interval, period)
        if checksum is None:
            return None
        written = 0
        if self._lacks(period) > PAGE or checksum != self._taken[str(period)].sha256:
            candles = self.archive.candles(self.symbol, self.interval, period, checksum)
            if bad_rows(candles):
                log.warning("candles that break an invariant were left out", file=str(period), rows=bad_rows(candles))
            candles = within(candles, self.first_ms, self.last_ms, bad_rows(candles))
            believed = self._doubts.believed(self.symbol, self.interval, ARCHIVE, doubtful_rows(candles), period.end_ms)
            written = self.store.upsert(self.symbol, self.interval, candles, SOURCE)
            written += self.store.upsert(self.symbol, self.interval, believed, SOURCE)
        self._files.note(self.symbol, self.interval, str(period), TakenFile(checksum, self.now_ms))
        return written

    def _lacks(self, period: Period) -> int:
        """How many of its candles are missing, without those that the exchange does not have."""
        start, end = max(period.start_ms, self.first_ms), min(period.end_ms - self.interval.ms, self.last_ms)
        span = self.symbol, self.interval, start, end
        return (end - start) // self.interval.ms + 1 - self.store.count(*span, [SOURCE]) - self.store.halted(*span)

    def _days_instead(self, period: Period) -> list[Period]:
        """The days of a month that has no file yet, oldest first."""
        return period.each_day() if period.is_month and self.now_ms - period.end_ms < MONTH_IS_LATE_MS else []
