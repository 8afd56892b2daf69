"""Forgets answers that are older than what models learn from and what scores look back on."""

from __future__ import annotations

import structlog
from sqlalchemy.exc import SQLAlchemyError

from forecasting.ledger import Ledger
from forecasting.live_scores import kept_ms
from node.clock import Clock
from node.config import Updater as UpdaterSection
from node.durations import DAY_MS, HOUR_MS
from node.topics import Topic

log = structlog.get_logger(__name__)

TIDY_MS = HOUR_MS


class Tidier:
    """Looks after the ledger once an hour."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._tidied_ms = 0
        self._reach_ms = 0

    def configure(self, section: UpdaterSection, topics: tuple[Topic, ...]) -> None:
        """From now on keep the answers of `historyDays`, and never fewer than these topics' scores are made from."""
        self._reach_ms = max(section.history_days * DAY_MS, *(kept_ms(topic.cell) for topic in topics))

    def tidy_safely(self) -> None:
        """Forget what is older, now and then; a ledger that is busy is left for later."""
        now_ms = self._clock.now_ms()
        if 0 <= now_ms - self._tidied_ms < TIDY_MS:
            return
        self._tidied_ms = now_ms
        try:
            forgotten = self._ledger.prune(now_ms - self._reach_ms)
        except SQLAlchemyError as error:
            log.warning("the ledger could not be tidied", error=error)
        else:
            log.debug("ledger tidied", forgotten=forgotten)
