"""Brings the store up to the newest closed candle.

The newest page comes first, so that serving can begin; then whole days of the past from the archive, if there is one, newest
first; then what is still missing backwards in time, page by page. Each file and page is committed by itself: a process killed in
between goes on where it was. What the exchange itself does not have is remembered as a halt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

import pandas as pd
import structlog

from market.archive import BinanceArchive
from market.archive_history import ArchiveHistory
from market.candle_store import CandleStore, Hole
from market.exchange import PAGE, Exchange, bad_rows
from node.clock import Clock
from node.durations import HOUR_MS, Interval

log = structlog.get_logger(__name__)

CORRECTED = 2
"""The newest candles are read once more: the exchange corrects the last ones at times."""

HALT_AFTER_MS = HOUR_MS
"""A younger hole may still be filled by the exchange, so it is asked for again instead of remembered."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one refresh of a symbol did. `have` of `want` candles are there; a halt of the exchange is not wanted."""

    symbol: str
    interval: Interval
    stored: int
    have: int
    want: int
    newest: int | None
    holes: int
    missed: tuple[str, ...] = ()
    """Sources that would have been better and could not be had."""


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
) -> Refreshed:
    """Bring `symbol` up to the newest closed candle and `history_ms` of past; `on_progress(have, want)` after every page or file.

    `better` names the sources whose candles this exchange's must not replace. Raises MarketError if the exchange cannot be had;
    what was fetched until then is stored. The archive's errors are logged, and REST does its work. With sources to choose from,
    call `market.sources.Sources.refresh`.
    """
    refresh = _Refresh(
        store, exchange, symbol, interval, history_ms, clock, on_progress, stop or threading.Event(), archive, better
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

    def run(self) -> Refreshed:
        self._fetch(self._start_of_newest(), self._last)
        if self.archive is not None:
            self._read_archive(self.archive)
        for hole in reversed(self._holes()):
            if not self._fill(hole):
                break
        have, want = self._progress()
        newest = self.store.newest(self.symbol, self.interval, self._last)
        return Refreshed(self.symbol, self.interval, self._stored, have, want, newest, len(self._holes()))

    def _start_of_newest(self) -> int:
        page = max(self._first, self._last - (PAGE - 1) * self.interval.ms)
        newest = self.store.newest(self.symbol, self.interval, self._last)
        return page if newest is None else max(page, newest - (CORRECTED - 1) * self.interval.ms)

    def _read_archive(self, archive: BinanceArchive) -> None:
        span = self._first, self._last, self._now_ms
        history = ArchiveHistory(self.store, archive, self.symbol, self.interval, *span)
        self._stored += history.fill(self.stop, self._tell)

    def _fill(self, hole: Hole) -> bool:
        """Fetch `hole` from its newest candle backwards; False if told to stop.

        Every request reaches up to a candle that is known already, the witness. Only an exchange that shows the witness, and
        nothing below it, is believed to have nothing there.
        """
        witness = self.store.next_after(self.symbol, self.interval, hole.end_ms)
        pages = 1
        # With the candle before the hole, prices on another scale are told from those around them.
        first = max(self._first, hole.start_ms - self.interval.ms)
        while hole.start_ms <= hole.end_ms:
            if self.stop.is_set():
                return False
            if witness is None:
                return True
            start = max(first, hole.end_ms - (pages * PAGE - 2) * self.interval.ms)
            candles = self._fetch(start, witness)
            if witness not in candles["open_time"].to_numpy() or bad_rows(candles):
                log.warning("a hole stays open: the exchange's answer cannot be believed", symbol=self.symbol, at=start)
                return True
            self._remember(Hole(start, hole.end_ms))
            found = int(candles["open_time"].min())
            # Before a listing there is nothing, however far one goes: go in longer strides.
            pages = pages * 2 if found == witness else 1
            witness, hole = found, Hole(hole.start_ms, start - self.interval.ms)
        return True

    def _remember(self, span: Hole) -> None:
        """What is still missing in `span` is the exchange's own gap, unless it is young, or a better source may have it."""
        if self.better:
            return
        newest = self._now_ms - HALT_AFTER_MS - self.interval.ms
        for hole in self.store.holes(self.symbol, self.interval, span.start_ms, min(span.end_ms, newest)):
            self.store.remember_halt(self.symbol, self.interval, hole)
            log.info("no candles at the exchange", symbol=self.symbol, interval=self.interval.value, hole=hole)

    def _fetch(self, start_ms: int, end_ms: int) -> pd.DataFrame:
        candles = self.exchange.candles(self.symbol, self.interval, start_ms, end_ms)
        self._stored += self.store.upsert(self.symbol, self.interval, candles, self.exchange.name, self.better)
        self._tell()
        return candles

    def _tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(*self._progress())

    def _holes(self) -> list[Hole]:
        return self.store.holes(self.symbol, self.interval, self._first, self._last, self._good)

    def _progress(self) -> tuple[int, int]:
        """Candles that are there, and how many there should be: nobody wants what no one can give."""
        span = self.symbol, self.interval, self._first, self._last
        kept = self.store.count(self.symbol, self.interval, self._wanted, self._first - self.interval.ms)
        whole = (self._last - self._first) // self.interval.ms + 1
        return kept + self.store.count(*span), kept + whole - self.store.halted(*span)
