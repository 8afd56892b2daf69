"""Forgets candles and answers that are older than what models learn from, scores look back on, and the config keeps.

How old something is, the newest candle says that an exchange has given: a clock that is wrong for one look, by months or by years,
makes nothing old. And no more than a part is forgotten at once.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from forecasting.live.ledger import Ledger
from forecasting.live.live_scores import kept_ms
from market.candle_store import CandleStore
from node.clock import Clock, Pause
from node.config import Updater as UpdaterSection
from node.durations import DAY_MS, HOUR_MS, Interval
from node.topics import Topic

log = structlog.get_logger(__name__)

TIDY_MS = HOUR_MS
LOOK_SECONDS = 2.0


class Tidier:
    """Looks after the database once an hour."""

    def __init__(self, ledger: Ledger, candles: CandleStore, clock: Clock) -> None:
        self._ledger = ledger
        self._candles = candles
        self._clock = clock
        self._tidied = Pause(clock)
        self._section = UpdaterSection()
        self._scores_ms = 0

    def configure(self, section: UpdaterSection, topics: tuple[Topic, ...]) -> None:
        """From now on keep what `section` says, and never less than these topics' scores are made from."""
        self._section = section
        self._scores_ms = max(kept_ms(topic.task) for topic in topics)

    def run(self, stop: threading.Event) -> None:
        """Look once in a while whether it is time, until stopped."""
        while not self._clock.wait(LOOK_SECONDS, stop):
            self.tidy_safely()

    def tidy_safely(self) -> None:
        """Forget what is older, now and then; a database that is busy is left for later."""
        if self._tidied.lasts:
            return
        self._tidied.begin(TIDY_MS)
        try:
            series = self._candles.series()
            present_ms = self._present_ms(series)
            if present_ms is None:
                return
            answers = self._ledger.prune(present_ms - max(self._section.history_days * DAY_MS, self._scores_ms))
            candles = self._forget_candles(series, present_ms)
        except SQLAlchemyError as error:
            log.warning("the database could not be tidied", error=error)
        else:
            log.debug("database tidied", answers=answers, candles=candles)

    def _present_ms(self, series: Sequence[tuple[str, Interval]]) -> int | None:
        """When the newest candle of all closed, or now if that is earlier; None where there are none."""
        now_ms = self._clock.now_ms()
        newest = ((interval, self._candles.newest(symbol, interval)) for symbol, interval in series)
        closes = [open_time + interval.ms for interval, open_time in newest if open_time is not None]
        return min(now_ms, max(closes)) if closes else None

    def _forget_candles(self, series: Sequence[tuple[str, Interval]], present_ms: int) -> int:
        """Those of topics that are no longer in the config age as well."""
        forgotten = 0
        for symbol, interval in series:
            reach_ms = max(self._section.keep_days * DAY_MS, self._section.history_ms(interval), self._scores_ms)
            forgotten += self._candles.prune(symbol, interval, present_ms - reach_ms)
        return forgotten
