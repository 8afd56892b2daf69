"""What the updater is doing, topic by topic, as its heartbeat tells it to the other processes and to the operator."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import structlog
from sqlalchemy.exc import SQLAlchemyError

from node.clock import Clock
from node.database import Heartbeats
from node.topics import Cell, Topic

log = structlog.get_logger(__name__)

PROCESS = "updater"


class State(StrEnum):
    """Where a topic stands."""

    FILLING = "filling"
    QUEUED = "waiting to be trained"
    TRAINING = "training"
    READY = "ready"
    NO_DATA = "no data"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TopicProgress:
    """Candles had of candles wanted, whether a champion exists, and what is going on in words."""

    have: int = 0
    want: int = 0
    trained: bool = False
    state: State = State.FILLING
    detail: str = ""


class ProgressBoard:
    """Thread-safe; every change is published with the next heartbeat."""

    def __init__(self, heartbeats: Heartbeats, clock: Clock) -> None:
        self._heartbeats = heartbeats
        self._clock = clock
        self._lock = threading.Lock()
        self._cells: dict[Cell, TopicProgress] = {}
        self._topics: tuple[Topic, ...] = ()

    def follow(self, topics: tuple[Topic, ...]) -> None:
        """Show these topics from now on."""
        with self._lock:
            self._topics = topics
            wanted = {topic.cell for topic in topics}
            self._cells = {cell: self._cells.get(cell, TopicProgress()) for cell in wanted}

    def update(self, cell: Cell, **changes: object) -> None:
        with self._lock:
            if cell in self._cells:
                self._cells[cell] = replace(self._cells[cell], **changes)  # type: ignore[arg-type]

    def of(self, cell: Cell) -> TopicProgress:
        with self._lock:
            return self._cells.get(cell, TopicProgress())

    def beat_safely(self, state: str) -> None:
        """Publish the board; a database that cannot be written is said, and the updater goes on."""
        try:
            self.beat(state)
        except SQLAlchemyError as error:
            log.warning("the heartbeat cannot be written", error=error)

    def beat(self, state: str) -> None:
        """Publish the board."""
        with self._lock:
            topics = {str(topic.id): asdict(self._cells[topic.cell]) for topic in self._topics}
        self._heartbeats.beat(PROCESS, self._clock.now_ms(), {"state": state, "topics": topics})
