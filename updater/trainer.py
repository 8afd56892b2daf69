"""Lets new models challenge the champions: on schedule, and at once where there is no champion.

Trainings run in processes of their own, one thread each, so that neither a long one nor a dying one disturbs anything else.
What is due is read from the model store alone, so a restarted updater goes on where the last one was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from model_store.store import ModelStore
from node.clock import Clock
from node.config import Config
from node.errors import ModelStoreError, TrainingError
from node.settings import Settings
from node.topics import Cell, Topic
from updater.contest import Contest, Result, hold
from updater.metrics import UpdaterMetrics
from updater.progress import ProgressBoard, State

log = structlog.get_logger(__name__)

CHECK_SECONDS = 1.0
RETRY_MS = 10 * 60_000
"""A topic whose training failed is left alone for this long."""


@dataclass(frozen=True, slots=True)
class Due:
    """A topic to train, and why."""

    topic: Topic
    reason: str


class Trainer:
    """Decides what is due, trains it, and publishes what comes out."""

    def __init__(
        self,
        settings: Settings,
        store: ModelStore,
        clock: Clock,
        board: ProgressBoard,
        metrics: UpdaterMetrics,
        is_filled: Callable[[Topic], bool],
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._board = board
        self._metrics = metrics
        self._is_filled = is_filled
        self._failed_at: dict[Cell, int] = {}
        self._config: Config | None = None
        self._topics: tuple[Topic, ...] = ()

    def configure(self, config: Config, topics: tuple[Topic, ...]) -> None:
        """Train these topics from now on."""
        self._config, self._topics = config, topics
        for topic in topics:
            if self._store.champion_version(topic.cell) is not None:
                self._board.update(topic.cell, trained=True, state=State.READY)

    def run(self, stop: threading.Event) -> None:
        """Train what is due until stopped."""
        while not self._clock.wait(CHECK_SECONDS, stop):
            due = self.due()
            if due:
                self._train(due, stop)

    def due(self) -> list[Due]:
        """Topics to train now: those without champion first, then those whose newest version is too old."""
        config = self._config
        if config is None:
            return []
        now = self._clock.now_ms()
        missing, aged, seen = [], [], set()
        for topic in self._topics:
            cell = topic.cell
            resting = now - self._failed_at.get(cell, -RETRY_MS) < RETRY_MS
            if cell in seen or resting or not self._is_filled(topic) or self._board.of(cell).state is State.NO_DATA:
                continue
            seen.add(cell)
            newest = next(iter(self._store.history(cell)), None)
            if self._store.champion_version(cell) is None:
                missing.append(Due(topic, "no champion"))
            elif newest is None or now - newest.created_ms >= config.updater.retrain_every.ms:
                aged.append(Due(topic, f"older than {config.updater.retrain_every}"))
        return missing + aged

    def _train(self, due: list[Due], stop: threading.Event) -> None:
        for item in due:
            self._board.update(item.topic.cell, state=State.TRAINING, detail=item.reason)
            log.info("training", topic=item.topic.id, model=str(item.topic.cell), reason=item.reason)
        contests = [self._contest(item.topic) for item in due]
        assert self._config is not None
        for result in _hold_all(contests, self._config.updater.training_jobs, stop):
            if stop.is_set():
                return
            self._conclude(result)

    def _contest(self, topic: Topic) -> Contest:
        assert self._config is not None
        return Contest(
            topic=topic,
            database_url=self._settings.database_url,
            model_store=self._settings.model_store,
            history_ms=self._config.updater.history_ms(topic.cell.interval),
            max_epochs=self._config.updater.max_epochs,
            now_ms=self._clock.now_ms(),
            log_level=self._settings.log_level,
            log_format=self._settings.log_format,
        )

    def _conclude(self, result: Result) -> None:
        topic, cell = result.topic, result.topic.cell
        if result.error is not None:
            self._failed_at[cell] = self._clock.now_ms()
            self._count(topic, "failed")
            trained = self._store.champion_version(cell) is not None
            self._board.update(cell, state=State.READY if trained else State.FAILED, detail=result.error.message)
            log.warning("training failed", topic=topic.id, model=str(cell), error=result.error)
            return
        assert result.draft is not None
        try:
            version = self._publish(result)
        except (ModelStoreError, OSError) as error:
            self._failed_at[cell] = self._clock.now_ms()
            self._count(topic, "failed")
            self._board.update(cell, state=State.FAILED, detail=str(error))
            log.error("model could not be published", topic=topic.id, model=str(cell), error=error)
            return
        gate = result.draft.gate
        self._metrics.training_seconds.observe(result.seconds)
        self._count(topic, "promoted" if gate.promoted else "refused")
        if gate.promoted:
            self._metrics.champion_skill.labels(topic.id).set(result.skill)
        trained = self._store.champion_version(cell) is not None
        self._board.update(cell, trained=trained, state=State.READY if trained else State.FAILED, detail=gate.reason)
        log.info("trained", topic=topic.id, model=str(cell), version=version, seconds=round(result.seconds, 1), verdict=gate.reason)

    def _publish(self, result: Result) -> str:
        assert result.draft is not None
        assert self._config is not None
        cell = result.topic.cell
        manifest = self._store.publish(cell, graph=result.graph, weights=result.weights, draft=result.draft)
        if result.draft.gate.promoted:
            self._store.promote(cell, manifest.version, result.draft.gate.reason)
        self._store.prune(cell, self._config.updater.keep_versions)
        return manifest.version

    def _count(self, topic: Topic, outcome: str) -> None:
        self._metrics.trainings.labels(topic.id, outcome).inc()


def _hold_all(contests: list[Contest], jobs: int, stop: threading.Event) -> Iterator[Result]:
    """Results as they come.

    A training process that dies (out of memory, say) breaks the whole pool, so what is left is then trained one by one: only
    the topic that kills its process fails.
    """
    left = {contest.topic.id: contest for contest in contests}
    with _killed_when(stop):
        for result in _in_parallel(contests, max(2, jobs), stop):
            del left[result.topic.id]
            yield result
        for contest in left.values():
            if stop.is_set():
                return
            died = TrainingError("the training process died", hint="Is there enough memory? Lower updater.historyDays.")
            yield next(_in_parallel([contest], 2, stop), Result(topic=contest.topic, error=died))


def _in_parallel(contests: list[Contest], jobs: int, stop: threading.Event) -> Iterator[Result]:
    """Results of the contests whose process lived. joblib would run a single job in this very process, so `jobs` is two or more."""
    try:
        yield from Parallel(n_jobs=jobs, backend="loky", return_as="generator_unordered")(delayed(hold)(c) for c in contests)
    except TerminatedWorkerError as error:
        if not stop.is_set():
            log.error("a training process died", error=error)


@contextmanager
def _killed_when(stop: threading.Event) -> Iterator[None]:
    """While inside, training processes are killed as soon as `stop` is set: nothing they do is on disk yet."""
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(0.2):
            if stop.is_set():
                get_reusable_executor().shutdown(wait=False, kill_workers=True)
                return

    watcher = threading.Thread(target=watch, name="training-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
        # Idle training processes would hold a few hundred megabytes until the next training.
        get_reusable_executor().shutdown(wait=False, kill_workers=stop.is_set())
