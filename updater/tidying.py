"""Forgets candles and answers that are older than what models learn from, scores look back on, and the config keeps."""

from __future__ import annotations

import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from forecasting.ledger import Ledger
from forecasting.live_scores import kept_ms
from market.candle_store import CandleStore
from node.clock import Clock
from node.config import Updater as UpdaterSection
from node.durations import DAY_MS, HOUR_MS
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
        self._tidied_ms = 0
        self._section = UpdaterSection()
        self._scores_ms = 0

    def configure(self, section: UpdaterSection, topics: tuple[Topic, ...]) -> None:
        """From now on keep what `section` says, and never less than these topics' scores are made from."""
        self._section = section
        self._scores_ms = max(kept_ms(topic.cell) for topic in topics)

    def run(self, stop: threading.Event) -> None:
        """Look once in a while whether it is time, until stopped."""
        while not self._clock.wait(LOOK_SECONDS, stop):
            self.tidy_safely()

    def tidy_safely(self) -> None:
        """Forget what is older, now and then; a database that is busy is left for later."""
        now_ms = self._clock.now_ms()
        if 0 <= now_ms - self._tidied_ms < TIDY_MS:
            return
        self._tidied_ms = now_ms
        try:
            answers = self._ledger.prune(now_ms - max(self._section.history_days * DAY_MS, self._scores_ms))
            candles = self._forget_candles(now_ms)
        except SQLAlchemyError as error:
            log.warning("the database could not be tidied", error=error)
        else:
            log.debug("database tidied", answers=answers, candles=candles)

    def _forget_candles(self, now_ms: int) -> int:
        """Those of topics that are no longer in the config age as well."""
        forgotten = 0
        for symbol, interval in self._candles.series():
            reach_ms = max(self._section.keep_days * DAY_MS, self._section.history_ms(interval), self._scores_ms)
            forgotten += self._candles.prune(symbol, interval, now_ms - reach_ms)
        return forgotten
