"""Which models have a champion: one whose files are what was promoted, not one that a pointer names.

Loading a champion to see whether it verifies takes a few hundredths of a second. So it is done when its files were written again,
and once in a while, for damage of the disk leaves no mark on a file. A pointer that says nothing is mended on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from model_store.durable import Mark
from model_store.store import ModelStore
from node.clock import Clock
from node.durations import MINUTE_MS, SECOND_MS
from node.errors import ModelStoreError, NoChampionError
from node.topics import Task

log = structlog.get_logger(__name__)

VERIFY_MS: Final = 5 * MINUTE_MS
PAUSE_MS: Final = SECOND_MS
"""Between two champions that are verified only because it is a while ago."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found, when, and of which files."""

    marks: tuple[Mark | None, ...]
    at_ms: int
    verifies: bool


class Champions:
    """The champions of one store, as last seen."""

    def __init__(self, store: ModelStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[Task, _Seen] = {}
        self._again_ms = 0

    def has(self, task: Task) -> bool:
        """Whether `task` has a version that verifies and may be served."""
        now_ms = self._clock.now_ms()
        marks = self._store.marks(task)
        seen = self._seen.get(task)
        if seen is not None and seen.marks == marks:
            if 0 <= now_ms - seen.at_ms < VERIFY_MS or 0 <= now_ms - self._again_ms < PAUSE_MS:
                return seen.verifies
            self._again_ms = now_ms
        verifies = self._verifies(task)
        self._seen[task] = _Seen(self._store.marks(task), now_ms, verifies)
        return verifies

    def _verifies(self, task: Task) -> bool:
        try:
            self._store.repair(task)
        except (ModelStoreError, OSError) as error:
            log.warning("champion pointer cannot be mended", model=str(task), error=error)
        try:
            self._store.champion(task)
        except NoChampionError:
            return False
        except (ModelStoreError, OSError) as error:
            log.warning("champion cannot be verified just now", model=str(task), error=error)
            return True  # nobody knows, and a training for each time that a disk does not answer helps nobody
        return True
