"""What the updater is doing, topic by topic, as its heartbeat tells it to the other processes and to the operator."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import structlog
from sqlalchemy.exc import SQLAlchemyError

from node.clock import Clock
from node.database import UPDATER, Heartbeats
from node.durations import SECOND_MS
from node.topics import Task, Topic

log = structlog.get_logger(__name__)

UNCHANGED_MS = 8 * SECOND_MS
"""How often the same is said again. Each time costs a page of the database's journal, which a program that reads may keep from
being emptied: a hundred and eighty megabytes a day if it were said every two seconds."""


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
        self._tasks: dict[Task, TopicProgress] = {}
        self._topics: tuple[Topic, ...] = ()
        self._beaten: tuple[int, dict[str, object]] | None = None

    def follow(self, topics: tuple[Topic, ...]) -> None:
        """Show these topics from now on."""
        with self._lock:
            self._topics = topics
            wanted = {topic.task for topic in topics}
            self._tasks = {task: self._tasks.get(task, TopicProgress()) for task in wanted}

    def update(self, task: Task, **changes: object) -> None:
        with self._lock:
            if task in self._tasks:
                self._tasks[task] = replace(self._tasks[task], **changes)  # type: ignore[arg-type]

    def of(self, task: Task) -> TopicProgress:
        with self._lock:
            return self._tasks.get(task, TopicProgress())

    def beat_safely(self, state: str) -> None:
        """Publish the board; a database that cannot be written is said, and the updater goes on."""
        try:
            self.beat(state)
        except SQLAlchemyError as error:
            log.warning("the heartbeat cannot be written", error=error)

    def beat(self, state: str) -> None:
        """Publish the board, if it has changed or was not published for a while."""
        with self._lock:
            topics = {str(topic.id): asdict(self._tasks[topic.task]) for topic in self._topics}
        now_ms = self._clock.now_ms()
        body: dict[str, object] = {"state": state, "topics": topics}
        if self._beaten is not None and self._beaten[1] == body and 0 <= now_ms - self._beaten[0] < UNCHANGED_MS:
            return
        self._heartbeats.beat(UPDATER, now_ms, body)
        self._beaten = now_ms, body
