"""Brings the store up to the newest closed candle.

The newest page comes first, so that serving can begin; then whole days of the past from the archive, if there is one, newest
first; then what is still missing backwards in time, page by page. Each file and page is committed by itself: a process killed in
between goes on where it was. What the exchange itself does not have is remembered as a halt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import pandas as pd
import structlog

from market.archive.client import BinanceArchive
from market.archive.history import ArchiveHistory
from market.candle_store import CandleStore
from market.doubts import Doubts
from market.exchanges.exchange import PAGE, Exchange, bad_rows, doubtful_rows, with_bad_rows
from market.gaps import Gap
from node.clock import Clock
from node.durations import HOUR_MS, MINUTE_MS, Interval
from node.errors import MarketError
from node.freshness import overdue_ms
from node.timestamps import utc_text

log = structlog.get_logger(__name__)

CORRECTED = 2
"""The newest candles are read once more: the exchange corrects the last ones at times."""

OVERDUE_MS = MINUTE_MS
"""The newest candle of a source may be late by less."""

HALT_AFTER_MS = HOUR_MS
"""A younger gap may still be filled by the exchange, so it is asked for again instead of remembered."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one refresh of a symbol did. `have` of `want` candles are there; a halt of the exchange is not wanted."""

    symbol: str
    interval: Interval
    stored: int
    have: int
    want: int
    newest: int | None
    gaps: int
    missed: tuple[str, ...] = ()
    """Sources that would have been better and could not be had."""
    overdue_ms: int = field(default=0, compare=False)
    """How long ago the next candle closed after the newest that this source showed; since the beginning of history without any."""

    @property
    def alert(self) -> MarketError | None:
        """What is wrong although candles could be had: the newest are not among them. None if nothing is."""
        if self.overdue_ms < OVERDUE_MS:
            return None
        since = "the beginning of its history" if self.newest is None else utc_text(self.newest)
        return MarketError(
            f"no source has had a new {self.interval} candle of {self.symbol} since {since}",
            hint="Is the pair still traded? If not, remove its topics, or name another source under updater.sources.",
        )


def refresh(
    store: CandleStore,
    exchange: Exchange,
    symbol: str,
    interval: Interval,
    history_ms: int,
    clock: Clock,
    on_progress: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
    *,
    archive: BinanceArchive | None = None,
    better: Collection[str] = (),
    stands_in: bool | None = None,
) -> Refreshed:
    """Bring `symbol` up to the newest closed candle and `history_ms` of past; `on_progress(have, want)` after every page or file.

    `better` names the sources whose candles this exchange's must not replace. If it `stands_in` for one that may be had again,
    which is so by default where there are better ones, its gaps are not taken for the market's. Raises MarketError if the exchange
    cannot be had; what was fetched until then is stored. The archive's errors are logged, and REST does its work. With sources to
    choose from, call `market.sources.Sources.refresh`.
    """
    stands_in = bool(better) if stands_in is None else stands_in
    refresh = _Refresh(
        store, exchange, symbol, interval, history_ms, clock, on_progress, stop or threading.Event(), archive, better, stands_in
    )
    return refresh.run()


@dataclass
class _Refresh:
    """One refresh of one symbol: its arguments, and the span of time they mean."""

    store: CandleStore
    exchange: Exchange
    symbol: str
    interval: Interval
    history_ms: int
    clock: Clock
    on_progress: Callable[[int, int], None] | None
    stop: threading.Event
    archive: BinanceArchive | None
    better: Collection[str]
    stands_in: bool

    def __post_init__(self) -> None:
        self._now_ms = self.clock.now_ms()
        self._last = self.interval.last_closed(self._now_ms)
        bars = max(1, self.history_ms // self.interval.ms)
        self._wanted = self._last - (bars - 1) * self.interval.ms
        # What lies further back than the exchange reaches is not asked for, and not taken for a halt.
        reach = self.exchange.reach(self.interval)
        self._first = self._last - (min(bars, reach or bars) - 1) * self.interval.ms
        self._good = [self.exchange.name, *self.better]
        self._stored = 0
        self._shown: int | None = None
        """Open time of the newest candle that the exchange has shown, whether it is believed or not."""
        self._doubts = Doubts(self.store.engine)

    def run(self) -> Refreshed:
        self._fetch(self._start_of_newest(), self._last)
        if self.archive is not None:
            self._read_archive(self.archive)
        for gap in reversed(self._gaps()):
            if not self._fill(gap):
                break
        have, want = self._progress()
        newest = self.store.newest(self.symbol, self.interval, self._last)
        shown = self._first - self.interval.ms if self._shown is None else self._shown
        overdue = overdue_ms(shown, self.interval, self._now_ms)
        return Refreshed(self.symbol, self.interval, self._stored, have, want, newest, len(self._gaps()), overdue_ms=overdue)

    def _start_of_newest(self) -> int:
        page = max(self._first, self._last - (PAGE - 1) * self.interval.ms)
        newest = self.store.newest(self.symbol, self.interval, self._last)
        return page if newest is None else max(page, newest - (CORRECTED - 1) * self.interval.ms)

    def _read_archive(self, archive: BinanceArchive) -> None:
        span = self._first, self._last, self._now_ms
        history = ArchiveHistory(self.store, archive, self.symbol, self.interval, *span)
        self._stored += history.fill(self.stop, self._tell)

    def _fill(self, gap: Gap) -> bool:
        """Fetch `gap` from its newest candle backwards; False if told to stop.

        Every request reaches up to a candle that is known already, the witness. Only an exchange that shows the witness, and
        nothing below it, is believed to have nothing there.
        """
        witness = self.store.next_after(self.symbol, self.interval, gap.end_ms)
        pages = 1
        # With the candle before the gap, prices on another scale are told from those around them.
        first = max(self._first, gap.start_ms - self.interval.ms)
        while gap.start_ms <= gap.end_ms:
            if self.stop.is_set():
                return False
            if witness is None:
                return True
            start = max(first, gap.end_ms - (pages * PAGE - 2) * self.interval.ms)
            candles = self._fetch(start, witness)
            if witness not in candles["open_time"].to_numpy() or bad_rows(candles):
                log.warning("a gap stays open: the exchange's answer cannot be believed", symbol=self.symbol, at=start)
                return True
            self._remember(Gap(start, gap.end_ms))
            found = int(candles["open_time"].min())
            # Before a listing there is nothing, however far one goes: go in longer strides.
            pages = pages * 2 if found == witness else 1
            witness, gap = found, Gap(gap.start_ms, start - self.interval.ms)
        return True

    def _remember(self, span: Gap) -> None:
        """What is still missing in `span` is the exchange's own gap, unless it is young, or a better source may have it.

        How young it is, the exchange's newest candle says as well: a clock that is ahead makes no gap older.
        """
        if self.stands_in:
            return
        present = self.store.newest(self.symbol, self.interval, self._last) or 0
        newest = min(self._now_ms, present + 2 * self.interval.ms) - HALT_AFTER_MS - self.interval.ms
        for gap in self.store.gaps(self.symbol, self.interval, span.start_ms, min(span.end_ms, newest)):
            self.store.remember_halt(self.symbol, self.interval, gap)
            log.info("no candles at the exchange", symbol=self.symbol, interval=self.interval.value, gap=gap)

    def _fetch(self, start_ms: int, end_ms: int) -> pd.DataFrame:
        candles = self._with_believed(self.exchange.candles(self.symbol, self.interval, start_ms, end_ms))
        self._stored += self.store.upsert(self.symbol, self.interval, candles, self.exchange.name, self.better)
        self._tell()
        return candles

    def _with_believed(self, candles: pd.DataFrame) -> pd.DataFrame:
        """With those of the rows that were left out as doubtful that have proved themselves since."""
        doubtful = doubtful_rows(candles)
        for each in (candles, doubtful):
            if len(each):
                self._shown = max(self._shown or 0, int(each["open_time"].max()))
        if doubtful.empty or self._shown is None:
            return candles
        span = int(doubtful["open_time"].min()), int(doubtful["open_time"].max())
        there = self.store.window(self.symbol, self.interval, *span)["open_time"]
        doubtful = doubtful[~doubtful["open_time"].isin(there)]
        believed = self._doubts.believed(self.symbol, self.interval, self.exchange.name, doubtful, self._shown)
        if believed.empty:
            return candles
        both = pd.concat([candles, believed], ignore_index=True).sort_values("open_time", ignore_index=True)
        return with_bad_rows(both, bad_rows(candles) - len(believed))

    def _tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(*self._progress())

    def _gaps(self) -> list[Gap]:
        return self.store.gaps(self.symbol, self.interval, self._first, self._last, self._good)

    def _progress(self) -> tuple[int, int]:
        """Candles that are there, and how many there should be: nobody wants what no one can give."""
        span = self.symbol, self.interval, self._first, self._last
        kept = self.store.count(self.symbol, self.interval, self._wanted, self._first - self.interval.ms)
        whole = (self._last - self._first) // self.interval.ms + 1
        return kept + self.store.count(*span), kept + whole - self.store.halted(*span)
