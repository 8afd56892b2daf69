"""What a month was like: the log's lines by what they say, and counts of everything else."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from tests.system.month.scheduler import Scheduler

REMEMBERED: Final = 200


class Journal:
    """Reads every line of the log; keeps the newest."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.lines: deque[str] = deque(maxlen=REMEMBERED)
        self.said: Counter[str] = Counter()
        self.unforeseen: list[str] = []
        """Lines with a traceback."""
        self.faults: Counter[str] = Counter()
        self.trainings: Counter[str] = Counter()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While inside, the log comes here and nowhere else."""
        structlog.configure(
            processors=[structlog.contextvars.merge_contextvars, self._note],
            wrapper_class=structlog.make_filtering_bound_logger("info"),
            logger_factory=structlog.ReturnLoggerFactory(),
        )
        try:
            yield
        finally:
            structlog.reset_defaults()

    def _note(self, _: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        said = str(event["event"])
        self.said[said] += 1
        when = datetime.fromtimestamp(self._scheduler.now_ms / 1000, UTC).strftime("%m-%d %H:%M:%S")
        line = f"{when} {method:7} {said} " + " ".join(f"{name}={value}" for name, value in event.items() if name != "event")
        self.lines.append(line)
        if event.get("exc_info"):
            self.unforeseen.append(line)
        if said == "trained":
            self.trainings[str(event["verdict"]).partition(":")[0]] += 1
        elif said == "training failed":
            self.trainings["failed"] += 1
        raise structlog.DropEvent
