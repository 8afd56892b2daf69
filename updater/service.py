"""The updater as one process: loops that share a store and never wait for each other.

* follow: just after each minute, fetch the newest candles
* backfill: walk the history back, mend gaps
* train: let candidates challenge champions
* tidy: forget what is too old

Meanwhile the main thread publishes the heartbeat, reads config.json again when it was edited, and looks whether the loops run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import structlog

from forecasting.live.ledger import Ledger
from market.candle_store import CandleStore
from market.sources import Sources
from model_store.store import ModelStore
from node.clock import Clock
from node.config import ConfigFile
from node.database import Heartbeats, journal_bytes, open_database
from node.database_file import MAX_JOURNAL_BYTES
from node.durations import MINUTE_MS
from node.environment import Settings
from node.errors import ModelStoreError
from node.freshness import overdue_ms
from node.health import Check
from node.loops import Loop, ended
from node.metrics import DiskCollector
from node.topics import Topic, symbol_of
from updater.candle_sync import CandleKeeper, Series
from updater.collectors import CandleCollector, ExchangeCollector
from updater.disk_space import lack_of_room
from updater.live_skill import Reviewer
from updater.metrics import UpdaterMetrics
from updater.progress import ProgressBoard
from updater.retention import Tidier
from updater.trainer import Trainer

log = structlog.get_logger(__name__)

BEAT_SECONDS = 2.0


class Updater:
    """Wires the loops together and runs each on a thread of its own."""

    def __init__(self, settings: Settings, config: ConfigFile, sources: Sources, clock: Clock) -> None:
        self._settings = settings
        self._config = config
        self._clock = clock
        self.metrics = UpdaterMetrics()
        self._engine = engine = open_database(settings.database_url)
        self._candles = CandleStore(engine)
        self._current = ProgressBoard(Heartbeats(engine), clock)
        self._keeper = CandleKeeper(self._candles, sources, clock, self._current, self.metrics)
        self._models = ModelStore(settings.model_store, clock)
        self.metrics.registry.register(CandleCollector(lambda: self._keeper.followed, self._candles, clock))
        self.metrics.registry.register(ExchangeCollector(sources.every))
        self.metrics.registry.register(DiskCollector("updater", settings.folders))
        ledger = Ledger(engine)
        reviewer = Reviewer(ledger, self._candles, self._models)
        self._tidier = Tidier(ledger, self._candles, clock)
        self._trainer = Trainer(settings, self._models, clock, self._current, self.metrics, self._keeper.is_filled, reviewer.review)
        self._loops: list[Loop] = []
        self._configure()

    def checks(self) -> list[Check]:
        """Alive loops, room on the disk, fresh candles, a champion for every topic."""
        loops = [Check(f"loop {loop.name}", loop.alive, hint="" if loop.alive else "Restart the updater.") for loop in self._loops]
        topics = self._config.current.topics(self._settings.inference_url)
        lack = lack_of_room(self._settings.folders)
        room = Check("disk", lack is None, lack or "", hint="Free some, or let `allora-node models prune` do so." if lack else "")
        return [*loops, room, *(self._check_topic(topic) for topic in topics)]

    def _check_topic(self, topic: Topic) -> Check:
        progress = self._current.of(topic.task)
        now_ms = self._clock.now_ms()
        newest = self._candles.newest(topic.task.symbol, topic.task.interval, now_ms)
        if not progress.trained:
            detail = progress.detail or f"{progress.state}: {progress.have} of {progress.want} candles"
            return Check(
                f"topic {topic.id}", False, detail, "A new topic is ready once its history is filled and its model trained."
            )
        overdue = overdue_ms(newest or 0, topic.task.interval, now_ms)
        fresh = overdue <= self._config.current.inference.stale_after.ms
        detail = "" if fresh else f"the next {topic.task.interval} candle is {overdue // MINUTE_MS} minutes overdue"
        return Check(f"topic {topic.id}", fresh, detail, "" if fresh else "Is the exchange reachable? The log says more.")

    def ended(self) -> str:
        """Names of the loops that have ended though they should run, empty if none has."""
        return ended(self._loops)

    def run(self, stop: threading.Event) -> int:
        """Run all loops until `stop` is set; the exit code, which is 1 if a loop has ended by itself."""
        log.info("updater started", topics=[entry.topic_id for entry in self._config.current.worker])
        bodies = {
            "follow": self._keeper.follow,
            "backfill": self._keeper.backfill,
            "train": self._trainer.run,
            "tidy": self._tidier.run,
        }
        self._loops = [Loop(name, partial(body, stop), self._clock, stop) for name, body in bodies.items()]
        for loop in self._loops:
            loop.start()
        while not self._clock.wait(BEAT_SECONDS, stop) and not self.ended():
            self._look_after_safely()
        failed = self.ended()
        if failed:
            log.error("a loop has ended, so the updater ends to be started again", loop=failed)
        stop.set()
        for loop in self._loops:
            loop.join(3)
        self._current.beat_safely("stopped")
        log.info("updater stopped")
        return 1 if failed else 0

    def close(self) -> None:
        """Give the database back, once nobody asks for health or metrics any more."""
        self._engine.dispose()

    def _look_after_safely(self) -> None:
        """The main thread's own round: whatever fails in it is tried again with the next."""
        try:
            self._config.follow(self._configure)
            self._current.beat_safely("running")
            self._look_at_journal()
        except Exception as error:
            log.exception("loop failed, starting it again", loop="main", error=error)

    def _look_at_journal(self) -> None:
        """Say that somebody keeps the database's journal from being emptied: it grows until the disk is full."""
        size = journal_bytes(self._engine)
        if size > 2 * MAX_JOURNAL_BYTES:
            hint = "A program has been reading it for long, such as a shell or a backup: end it."
            megabytes = size // MAX_JOURNAL_BYTES * MAX_JOURNAL_BYTES // 1024**2
            log.warning("the journal of the database cannot be emptied", megabytes=megabytes, hint=hint)

    def _configure(self) -> None:
        config = self._config.current
        topics = config.topics(self._settings.inference_url)
        self._current.follow(topics)
        self._keeper.configure(config, topics, self._served(topics))
        self._trainer.configure(config.updater, topics)
        self._tidier.configure(config.updater, topics)

    def _served(self, topics: tuple[Topic, ...]) -> Iterator[Series]:
        """Other tokens' candles that champions read, whatever the config says by now: they are served until others take over."""
        for topic in topics:
            version = self._models.champion_version(topic.task)
            try:
                signature = self._models.manifest(topic.task, version).signature if version else {}
            except ModelStoreError:
                continue
            if signature.get("leader"):
                yield Series(symbol_of(signature["leader"]), topic.task.interval)
