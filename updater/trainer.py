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
from sqlalchemy.exc import SQLAlchemyError

from model_store.store import ModelStore
from node.clock import Clock, Pause
from node.config import Updater as UpdaterSection
from node.durations import MINUTE_MS
from node.environment import Settings
from node.errors import CorruptVersionError, ForecastError, ModelStoreError, NotEnoughDataError, TrainingError
from node.parent_watchdog import tied_to_this_process
from node.topics import Task, Topic
from updater.challenge import Challenge, FailedTraining, TrainedChallenger
from updater.champions import Champions
from updater.disk_space import lack_of_room
from updater.live_skill import SkillAlert
from updater.metrics import UpdaterMetrics
from updater.progress import ProgressBoard, State

log = structlog.get_logger(__name__)

CHECK_SECONDS = 1.0
RETRY_MS = 10 * MINUTE_MS
"""A topic whose training failed, or left it without a champion, is left alone for this long: twice as long each time after that."""

MAX_DOUBLINGS = 5

REVIEW_MS = 5 * MINUTE_MS
"""How often it is looked at how the champions' answers turned out."""
Review = Callable[[Topic, UpdaterSection, int], SkillAlert | None]


@dataclass(frozen=True, slots=True)
class DueTraining:
    """A topic to train, and why."""

    topic: Topic
    reason: str


@dataclass(frozen=True, slots=True)
class Failure:
    """When a topic's training last failed, and how often it has in a row."""

    at_ms: int
    times: int = 1

    @property
    def rest_ms(self) -> int:
        """How long the topic is left alone."""
        return RETRY_MS << min(self.times - 1, MAX_DOUBLINGS)


class Trainer:
    """Decides what is due, trains it, and publishes what comes out."""

    def __init__(
        self,
        settings: Settings,
        store: ModelStore,
        clock: Clock,
        current: ProgressBoard,
        metrics: UpdaterMetrics,
        is_filled: Callable[[Topic], bool],
        review: Review,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._current = current
        self._metrics = metrics
        self._is_filled = is_filled
        self._review = review
        self._reviewed = Pause(clock)
        self._alerts: dict[Task, str] = {}
        self._failed: dict[Task, Failure] = {}
        self._champions = Champions(store, clock)
        self._section = UpdaterSection()
        self._topics: tuple[Topic, ...] = ()

    def configure(self, section: UpdaterSection, topics: tuple[Topic, ...]) -> None:
        """Train these topics from now on."""
        self._section, self._topics = section, topics
        for topic in topics:
            # By the pointer alone: whether it verifies is found out where a training would be begun.
            if self._store.champion_version(topic.task) is not None:
                self._current.update(topic.task, trained=True, state=State.READY)

    def run(self, stop: threading.Event) -> None:
        """Train what is due until stopped."""
        while not self._clock.wait(CHECK_SECONDS, stop):
            self.review_safely()
            due = self.due()
            if due and self._has_room(due):
                self.train(due, stop)

    def review_safely(self) -> None:
        """Now and then, look at how every champion's answers turned out; a ledger that cannot be read stops nothing."""
        if self._reviewed.lasts:
            return
        self._reviewed.begin(REVIEW_MS)
        now_ms = self._clock.now_ms()
        self._alerts.clear()
        try:
            for topic in self._topics:
                alert = self._review(topic, self._section, now_ms)
                if alert is not None:
                    self._act_on(alert, now_ms)
        except (SQLAlchemyError, ModelStoreError, ForecastError, OSError) as error:
            log.warning("live skill cannot be reviewed", error=error)

    def _act_on(self, alert: SkillAlert, now_ms: int) -> None:
        """Roll the champion back, or have a candidate trained unless one was in the last `skill_window`."""
        topic, task = alert.topic, alert.topic.task
        if alert.back_to is not None:
            self._store.rollback(task, to=alert.back_to, reason=alert.reason)
            self._metrics.actions.labels(topic.id, "rolled back").inc()
            self._current.update(task, detail=alert.reason)
            log.warning("rolled back", topic=topic.id, model=str(task), version=alert.back_to, reason=alert.reason)
        elif self._age_of_newest(task, now_ms) >= self._section.skill_window.ms:
            self._alerts[task] = alert.reason

    def due(self) -> list[DueTraining]:
        """Topics to train now: without champion first, then those whose answers were bad or whose newest version is too old."""
        missing: dict[Task, DueTraining] = {}
        aged: dict[Task, DueTraining] = {}
        for topic in self._topics:
            if not self._is_filled(topic) or self._is_resting(topic.task):
                continue
            if not self._champions.has(topic.task):
                missing.setdefault(topic.task, DueTraining(topic, "no champion"))
            elif topic.task in self._alerts:
                aged.setdefault(topic.task, DueTraining(topic, self._alerts[topic.task]))
            elif self._age_of_newest(topic.task, self._clock.now_ms()) >= self._section.retrain_every.ms:
                aged.setdefault(topic.task, DueTraining(topic, f"older than {self._section.retrain_every}"))
        return [*missing.values(), *aged.values()]

    def _has_room(self, due: list[DueTraining]) -> bool:
        """On a disk that is nearly full trainings wait: candles and answers need what is left."""
        lack = lack_of_room(self._settings.folders)
        if lack:
            log.warning("trainings wait for room on the disk", error=lack)
            for item in due:
                self._current.update(item.topic.task, detail=lack)
        return lack is None

    def train(self, due: list[DueTraining], stop: threading.Event) -> None:
        """Train a challenger for each of `due`, several at a time, and publish each result as it comes."""
        for item in due:
            self._current.update(item.topic.task, state=State.TRAINING, detail=item.reason)
            log.info("training", topic=item.topic.id, model=str(item.topic.task), reason=item.reason)
            if item.topic.task in self._alerts:
                self._metrics.actions.labels(item.topic.id, "retrained").inc()
        challenges = [self._describe_challenge(item.topic) for item in due]
        self._alerts.clear()
        for result in _train_all(challenges, self._section.training_jobs, stop):
            if isinstance(result, FailedTraining):
                self._fail(result)
                continue
            try:
                self._publish(result)
            except (ModelStoreError, OSError) as error:
                self._fail(FailedTraining(result.topic, error))

    def _describe_challenge(self, topic: Topic) -> Challenge:
        return Challenge(
            topic=topic,
            database_url=self._settings.database_url,
            model_store=self._settings.model_store,
            history_ms=self._section.history_ms(topic.task.interval),
            max_epochs=self._section.max_epochs,
            now_ms=self._clock.now_ms(),
            because=self._alerts.get(topic.task),
            log_level=self._settings.log_level,
            log_format=self._settings.log_format,
        )

    def _publish(self, result: TrainedChallenger) -> None:
        topic, task, gate = result.topic, result.topic.task, result.metadata.gate
        version = self._store.publish(task, graph=result.graph, weights=result.weights, metadata=result.metadata).version
        if gate.promoted:
            self._store.promote(task, version, gate.reason)
        self._store.prune(task, self._section.keep_versions)
        self._metrics.training_seconds.observe(result.seconds)
        self._metrics.trainings.labels(topic.id, "promoted" if gate.promoted else "refused").inc()
        trained = self._champions.has(task)
        if trained:
            self._failed.pop(task, None)
        else:
            self._rest(task)
        self._current.update(task, trained=trained, state=State.READY if trained else State.FAILED, detail=gate.reason)
        log.info("trained", topic=topic.id, model=str(task), version=version, seconds=round(result.seconds, 1), verdict=gate.reason)

    def _fail(self, result: FailedTraining) -> None:
        task = result.topic.task
        self._rest(task, anew=isinstance(result.error, NotEnoughDataError))
        self._metrics.trainings.labels(result.topic.id, "failed").inc()
        trained = self._champions.has(task)
        state = State.READY if trained else State.FAILED
        self._current.update(task, trained=trained, state=state, detail=str(result.error))
        log.warning("training failed", topic=result.topic.id, model=str(task), error=result.error)

    def _rest(self, task: Task, *, anew: bool = False) -> None:
        """Leave a topic alone for a while; the same while each time where it costs nothing to find out that it is too early."""
        before = self._failed.get(task)
        self._failed[task] = Failure(self._clock.monotonic_ms(), before.times + 1 if before and not anew else 1)

    def _is_resting(self, task: Task) -> bool:
        failure = self._failed.get(task)
        return failure is not None and self._clock.monotonic_ms() - failure.at_ms < failure.rest_ms

    def _age_of_newest(self, task: Task, now_ms: int) -> int:
        """Refused candidates count too: a topic is retrained once per period, not until something passes.

        A version from far ahead is as good as an old one: neither a clock that was wrong nor a damaged manifest puts trainings off
        for good.
        """
        names = self._store.versions(task)
        try:
            created = self._store.manifest(task, names[0]).created_ms if names else 0
        except CorruptVersionError:
            created = 0
        return abs(now_ms - created)


def _train_all(challenges: list[Challenge], jobs: int, stop: threading.Event) -> Iterator[TrainedChallenger | FailedTraining]:
    """Results as they come.

    A training process that dies (out of memory, say) breaks the whole pool, so what is left is then trained one by one: only
    the topic that kills its process fails.
    """
    left = {challenge.topic.id: challenge for challenge in challenges}
    with _killed_when(stop):
        for result in _in_parallel(challenges, jobs, stop):
            del left[result.topic.id]
            yield result
        for challenge in left.values():
            if stop.is_set():
                return
            died = TrainingError("the training process died", hint="Is there enough memory? Lower updater.historyDays.")
            yield next(_in_parallel([challenge], 2, stop), FailedTraining(challenge.topic, died))


def _in_parallel(challenges: list[Challenge], jobs: int, stop: threading.Event) -> Iterator[TrainedChallenger | FailedTraining]:
    """Results of the trainings whose process lived. joblib runs a single job in this very process, so never fewer than two."""
    try:
        yield from Parallel(n_jobs=max(2, jobs), backend="loky", return_as="generator_unordered", **tied_to_this_process())(
            delayed(train_in_process)(challenge) for challenge in challenges
        )
    except RuntimeError as error:
        # Both kinds mean that the pool is gone: killed because of `stop`, or broken because one of its processes died.
        if stop.is_set():
            return
        if not isinstance(error, TerminatedWorkerError):
            raise
        log.error("a training process died", error=error)


def train_in_process(challenge: Challenge) -> TrainedChallenger | FailedTraining:
    """Train in a process of its own. Only there is torch loaded: the updater itself starts sooner and stays small without it."""
    from updater.challenger import train_challenger  # noqa: PLC0415

    return train_challenger(challenge)


@contextmanager
def _killed_when(stop: threading.Event) -> Iterator[None]:
    """While inside, training processes are killed as soon as `stop` is set: nothing they do is on disk yet."""
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(0.2):
            if stop.is_set():
                get_reusable_executor(reuse=True).shutdown(wait=False, kill_workers=True)
                return

    watcher = threading.Thread(target=watch, name="training-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
        # Idle training processes would hold a few hundred megabytes until the next training.
        get_reusable_executor(reuse=True).shutdown(wait=False, kill_workers=stop.is_set())
