"""Writes the answers that were given into the ledger and scores what came of them, on a thread of its own.

The watcher only queues; whether the database can be written, is locked or slow concerns nobody who asks for an answer. What could
not be written waits and is tried again; what a killed process had not written yet is queued again by the next one, if its candle is
still the newest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from forecasting.live.ledger import Ledger, ServedAnswer
from forecasting.live.submissions import TakenAnswer
from inference.answers.score_board import ScoreBoard, score_topic
from inference.answers.snapshot import Answer, CurrentSnapshot, TopicState
from inference.metrics import InferenceMetrics
from node.clock import Clock
from node.durations import MINUTE_MS
from node.errors import NodeError
from node.topics import Topic

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0
RESCORE_MS: Final = MINUTE_MS
REST_FACTOR: Final = 50.0
"""No scoring follows another for so many times as long as that one took: requests need the processor more."""
MAX_REST_SECONDS: Final = 60.0
MAX_QUEUED: Final = 20_000
"""Answers that may wait for a database that cannot be written: a week of twenty topics in memory helps nobody."""


class LedgerWriter:
    """The only one that writes the ledger and the score board."""

    def __init__(
        self,
        *,
        open_ledger: Callable[[], Ledger],
        current: CurrentSnapshot,
        scores: ScoreBoard,
        clock: Clock,
        metrics: InferenceMetrics,
    ) -> None:
        self._open_ledger = open_ledger
        self._current = current
        self._scores = scores
        self._clock = clock
        self._metrics = metrics
        self._ledger: Ledger | None = None
        self._queued: dict[int, tuple[int, str]] = {}
        self._waiting: dict[tuple[int, int], tuple[Topic, Answer]] = {}
        self._taken: dict[tuple[int, int], TakenAnswer] = {}
        self._accepted: dict[tuple[int, int], None] = {}
        self._lock = threading.Lock()
        self._in_trouble = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        """Begin to write and to score."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting and end; a database that is locked is given a second."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    @property
    def alive(self) -> bool:
        """False once the thread has ended, which only stopping does."""
        return self._thread.ident is None or self._thread.is_alive()

    def queue_answers(self, states: Iterable[TopicState]) -> None:
        """Keep those of these answers that may be served now. This costs next to nothing and never fails."""
        now_ms = self._clock.now_ms()
        with self._lock:
            for state in states:
                if isinstance(state.outcome, Answer) and state.refusal(now_ms) is None:
                    self._queue_answer(state.topic, state.outcome)
            while len(self._waiting) > MAX_QUEUED:
                del self._waiting[next(iter(self._waiting))]
                self._metrics.ledger_lost.inc()
            self._metrics.ledger_waiting.set(len(self._waiting))

    def _queue_answer(self, topic: Topic, answer: Answer) -> None:
        queued = self._queued.get(topic.id)
        if queued == (answer.made_from, str(topic.task)):
            return
        self._queued[topic.id] = answer.made_from, str(topic.task)
        self._waiting.setdefault((topic.id, answer.made_from), (topic, answer))

    def queue_taken(self, taken: TakenAnswer) -> None:
        """Keep what the worker was given, in the place of what it was given before for the same interval."""
        with self._lock:
            key = taken.topic_id, taken.asked.base_ms
            if key in self._taken or len(self._taken) < MAX_QUEUED:
                self._taken[key] = taken

    def queue_accepted(self, topic_id: int, base_ms: int) -> None:
        """The chain accepted what the worker had taken for this interval: keep that too."""
        with self._lock:
            if len(self._accepted) < MAX_QUEUED:
                self._accepted[topic_id, base_ms] = None

    def write(self) -> None:
        """Write what is waiting, all at once; SQLAlchemyError leaves it waiting."""
        self._write_answers()
        self._write_taken()

    def _write_answers(self) -> None:
        with self._lock:
            batch = dict(self._waiting)
        if not batch:
            return
        self._opened().record([_served(topic, answer) for topic, answer in batch.values()])
        with self._lock:
            for key in batch:
                self._waiting.pop(key, None)
            self._metrics.ledger_waiting.set(len(self._waiting))
        self._metrics.ledger_written.inc(len(batch))

    def _write_taken(self) -> None:
        with self._lock:
            taken, accepted = dict(self._taken), list(self._accepted)
        if not taken and not accepted:
            return
        self._opened().submissions.record(list(taken.values()), accepted)
        with self._lock:
            for key, written in taken.items():
                if self._taken.get(key) is written:  # it may have been taken again meanwhile
                    del self._taken[key]
            for key in accepted:
                self._accepted.pop(key, None)

    def score(self) -> None:
        """Score the topic that was scored the longest ago, if that is long enough."""
        now_ms = self._clock.now_ms()
        topics = {state.topic.id: state.topic for state in self._current.snapshot.states}
        self._scores.follow(topics.values())
        # What was scored while the clock was far ahead is due as well.
        ages = {topic: abs(now_ms - self._scores.scored_ms(topic)) for topic in topics.values()}
        topic = max(ages, key=lambda each: ages[each], default=None)
        if topic is not None and ages[topic] >= RESCORE_MS:
            self._scores.put(score_topic(self._opened(), topic, now_ms))

    def update_safely(self, *, scoring: bool = True) -> None:
        """Write, and score if `scoring`; trouble is logged once when it begins and once when it is over."""
        try:
            self.write()
            if scoring:
                self.score()
        except (SQLAlchemyError, NodeError, OSError) as error:
            self._metrics.ledger_failures.inc()
            if not self._in_trouble:
                log.error("the ledger cannot be kept; answers are served all the same", error=error, waiting=len(self._waiting))
            self._in_trouble = True
        else:
            if self._in_trouble:
                log.info("the ledger is kept again")
            self._in_trouble = False

    def _run(self) -> None:
        rested = 0.0
        while True:
            stopping = self._clock.wait(PAUSE_SECONDS, self._stop)
            started = time.perf_counter()
            scoring = started >= rested and not stopping
            try:
                self.update_safely(scoring=scoring)
            except Exception as error:
                self._metrics.ledger_failures.inc()
                log.exception("keeping the ledger failed", error=error)
            if scoring:
                ended = time.perf_counter()
                rested = ended + min(MAX_REST_SECONDS, REST_FACTOR * (ended - started))
            if stopping:
                return

    def _opened(self) -> Ledger:
        if self._ledger is None:
            self._ledger = self._open_ledger()
        return self._ledger


def _served(topic: Topic, answer: Answer) -> ServedAnswer:
    made = answer.forecast
    return ServedAnswer(
        topic_id=topic.id,
        task=topic.task,
        made_from=answer.made_from,
        version=answer.version,
        value=answer.value,
        last_price=made.last_price,
        forecast=made.log_return_or_log_vol,
        baseline=made.baseline_in_model_space,
        scale=made.scale,
        edges=answer.prediction_intervals.edges if answer.prediction_intervals is not None else None,
    )
