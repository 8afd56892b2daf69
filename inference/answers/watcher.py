"""Keeps the snapshot true: polls candles, champions and config.json a few times a second, and computes what has changed.

A poll is a handful of indexed queries and one small file a model, so it can be done often; nothing has to notify inference, and
what it serves depends on what is on disk alone. If the watcher hangs or fails, answers run out by themselves: their expiry is part
of the snapshot.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import structlog
from structlog.contextvars import bound_contextvars

from forecasting.live.ledger import Ledger
from inference.answers.forecaster import Forecaster
from inference.answers.freshness import Freshness, Source
from inference.answers.snapshot import CurrentSnapshot, Problem, Snapshot, TopicState
from inference.answers.training_status import explain_missing_model
from inference.metrics import InferenceMetrics
from market.candle_store import CandleStore
from model_store.store import ModelStore
from node.clock import Clock, Pause
from node.config import ConfigFile
from node.database import UPDATER, Heartbeat, Heartbeats
from node.durations import MINUTE_MS, SECOND_MS
from node.topics import Task, Topic

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5
HUNG_AFTER_MS = 30 * SECOND_MS
REMIND_MS = MINUTE_MS


@dataclass(frozen=True, slots=True)
class MarketData:
    """The candles and heartbeats that the updater writes, and the ledger of answers that inference keeps itself."""

    candles: CandleStore
    heartbeats: Heartbeats
    ledger: Ledger


class Watcher:
    """The only one that replaces the current snapshot. `on_snapshot` is called with its topics before they are served."""

    def __init__(
        self,
        *,
        config: ConfigFile,
        inference_url: str,
        open_data: Callable[[], MarketData],
        models: ModelStore,
        current: CurrentSnapshot,
        clock: Clock,
        metrics: InferenceMetrics,
        on_snapshot: Callable[[tuple[TopicState, ...]], None] = lambda _: None,
    ) -> None:
        self._config = config
        self._inference_url = inference_url
        self._open_data = open_data
        self._models = models
        self._current = current
        self._clock = clock
        self._metrics = metrics
        self._on_snapshot = on_snapshot
        self._data: MarketData | None = None
        self._topics: tuple[Topic, ...] = ()
        self._forecasters: dict[Task, Forecaster] = {}
        self._topic_ids: dict[Task, list[int]] = {}
        self._polled_ms = clock.monotonic_ms()
        self._alerted = Pause(clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._configure()

    def start(self) -> None:
        """Poll once, so that what can be served is served from the first request on, then go on polling on a thread."""
        self.poll_safely()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a poll in progress is given a second."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    @property
    def alive(self) -> bool:
        """False once the thread has ended, which only stopping does."""
        return self._thread.ident is None or self._thread.is_alive()

    @property
    def data(self) -> MarketData | None:
        """The database; None until it could be opened."""
        return self._data

    def hung_for_ms(self) -> int | None:
        """Milliseconds since the last poll that succeeded; None if that is not too long."""
        silent = self._clock.monotonic_ms() - self._polled_ms
        return silent if silent > HUNG_AFTER_MS else None

    def _run(self) -> None:
        while not self._clock.wait(POLL_SECONDS, self._stop):
            self.poll_safely()

    def poll_safely(self) -> None:
        """Poll once; whatever goes wrong is written into the log and tried again with the next poll."""
        started = time.perf_counter()
        try:
            self.poll()
        except Exception as error:
            self._metrics.failed_rounds.inc()
            self._alert(error)
        else:
            self._polled_ms = self._clock.monotonic_ms()
            self._alerted.end()
            self._metrics.last_round.set(self._clock.now_ms() / SECOND_MS)
        self._metrics.round_seconds.observe(time.perf_counter() - started)

    def poll(self) -> None:
        """Put a snapshot in force that shows what config, candles and champions are now, if it differs from the present one."""
        self._config.follow(self._configure)
        if self._data is None:
            self._data = self._open_data()
        snapshot = Snapshot.of(self._states(self._data))
        self._on_snapshot(snapshot.states)
        if snapshot != self._current.snapshot:
            self._current.snapshot = snapshot
            self._metrics.swaps.inc()

    def _states(self, data: MarketData) -> list[TopicState]:
        now = self._clock.now_ms()
        heartbeat = data.heartbeats.last(UPDATER)
        newest = cache(data.candles.newest)  # many topics read the same candles
        sources = {}
        with data.candles.one_connection():
            for task, forecaster in self._forecasters.items():
                with self._about(task):
                    forecaster.follow_champion(now)
                    sources[task] = forecaster.sources(newest, now)
        return [self._state(topic, data, sources[topic.task], heartbeat, now) for topic in self._topics]

    def _state(
        self, topic: Topic, data: MarketData, sources: tuple[Source, ...], heartbeat: Heartbeat | None, now_ms: int
    ) -> TopicState:
        forecaster = self._forecasters[topic.task]
        with self._about(topic.task):
            outcome = forecaster.outcome(data.candles, sources) or explain_missing_model(topic, heartbeat, now_ms)
        return TopicState(topic, self._freshness(sources), forecaster.champion, outcome)

    def _freshness(self, sources: tuple[Source, ...]) -> Freshness:
        return Freshness(sources, self._config.current.inference.stale_after)

    def _about(self, task: Task) -> AbstractContextManager[None]:
        """Lines written into the log meanwhile name the topics that the model answers."""
        return bound_contextvars(topics=self._topic_ids[task])

    def _configure(self) -> None:
        """Follow the topics of the present config; models that are still wanted stay loaded."""
        self._topics = self._config.current.topics(self._inference_url)
        wanted = {topic.task: None for topic in self._topics}
        self._forecasters = {task: self._forecasters.get(task) or Forecaster(task, self._models) for task in wanted}
        self._topic_ids = {task: [topic.id for topic in self._topics if topic.task == task] for task in wanted}
        self._announce()

    def _announce(self) -> None:
        """Topics are known from their first moment, before anything was read for them."""
        known = {state.topic: state for state in self._current.snapshot.states}
        self._current.snapshot = Snapshot.of(known.get(topic) or self._beginning(topic) for topic in self._topics)

    def _beginning(self, topic: Topic) -> TopicState:
        sources = (Source(topic.task.symbol, topic.task.interval, None),)
        problem = Problem("inference has just begun with this topic", "Ask again in a moment.")
        return TopicState(topic, self._freshness(sources), None, problem)

    def _alert(self, error: Exception) -> None:
        if not self._alerted.lasts:
            self._alerted.begin(REMIND_MS)
            log.error("looking at candles and models failed, answers will run out", error=error)
