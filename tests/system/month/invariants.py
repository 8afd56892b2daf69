"""What must hold after every step of a month. Of the disk, what `make chaos` looks at as well."""

from __future__ import annotations

import hashlib
import math
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, Final

import numpy as np

from forecasting.live.live_scores import kept_ms
from market.candles import COLUMNS
from model_store.layout import task_folder
from model_store.store import ModelStore
from node.config import ConfigFile
from node.durations import DAY_MS, HOUR_MS, MINUTE_MS, Interval
from node.topics import Target, Topic
from simulator.exchange.candles import CLOSE, Market
from tests.system.chaos.invariants import Witness, check_answer, check_truth, require
from tests.system.month.chain import WINDOW_BLOCKS
from tests.system.month.faults import ANSWERS, Happening
from tests.system.month.journal import Journal
from tests.system.month.node import Node
from tests.system.month.scheduler import Scheduler, TrueClock
from worker.sanity_check import check_plausible
from worker.service import Worker

WELL_AT_FIRST_MS: Final = 45 * MINUTE_MS
"""How soon a new node must answer everything: turns come every five minutes in its first hour."""
MOST_AHEAD_MS: Final = HOUR_MS
EXTRA_VERSIONS: Final = 2
"""Beside `updater.keepVersions`: the champion, and the champion before it."""
FORGOTTEN_AFTER_MS: Final = 4 * HOUR_MS
"""The ledger is tidied once an hour, and an updater may be dead meanwhile."""
TWICE: Final = "inference already submitted for this epoch"
_NEW_CANDLES: Final = (
    f"SELECT {', '.join(COLUMNS)} FROM candles WHERE symbol = ? AND interval = ? AND open_time > ? ORDER BY open_time"
)


class Inspector:
    """Looks at everything a node shows, and remembers it."""

    def __init__(
        self,
        node: Node,
        scheduler: Scheduler,
        market: Market,
        happenings: Sequence[Happening],
        damaged: set[str],
        journal: Journal,
    ) -> None:
        self._node, self._scheduler, self._market = node, scheduler, market
        self._happenings, self._journal = happenings, journal
        self._begun_ms = scheduler.now_ms
        self._config = ConfigFile(node.config_file).current
        tasks = tuple(topic.task for topic in node.topics)
        clock = TrueClock(scheduler)
        self._witness = Witness(node.database, node.models, market, clock, tasks, damaged=damaged, ahead_ms=MOST_AHEAD_MS)
        self._reach_ms = max(self._config.updater.history_days * DAY_MS, *(kept_ms(task) for task in tasks))
        series = {(task.symbol, task.interval) for task in tasks} | {
            (task.symbol, Interval.MINUTE) for task in tasks if task.target is Target.PRICE
        }
        self._newest = dict.fromkeys(sorted(series), 0)
        self.statuses: Counter[str] = Counter()
        self.submitted: set[tuple[int, int]] = set()
        self.kept = 0
        self.digest = hashlib.sha256()
        self._served: dict[int, list[tuple[int, str]]] = {}
        self._workers: list[Worker] = []
        self._window = node.chain.state.height
        self._refused = self._unforeseen = 0
        self._is_everything_due = False

    def served(self, topic: int, body: str) -> None:
        """The worker was given this answer just now."""
        self._served.setdefault(topic, []).append((self._scheduler.now_ms, body))

    def is_well(self, what: str, start_ms: int, end_ms: int) -> bool:
        """Whether nothing may have stopped the answers, or the submissions, in that time."""
        troubled = any(what in one.stops and one.start_ms <= end_ms and start_ms < one.well_by_ms for one in self._happenings)
        return not troubled and start_ms - self._begun_ms >= WELL_AT_FIRST_MS

    @property
    def must_answer(self) -> bool:
        """Whether every topic must be answered now."""
        return self.is_well("answers", self._scheduler.now_ms, self._scheduler.now_ms)

    def look(self) -> None:
        """At what may change with every step, and now and then at everything."""
        self._look_at_answers()
        if self._node.database.exists():
            self._look_at_new_candles()
            self._look_at_ledger()
        self._look_at_submissions()
        self._look_at_windows()
        self._look_at_log()
        if self._is_everything_due and self.must_answer:
            self._is_everything_due = False
            self.look_at_everything()

    def look_at_everything_soon(self) -> None:
        """With the next step in which nothing is wrong."""
        self._is_everything_due = True

    def look_at_everything(self) -> None:
        """At all of the disk, and how much there is."""
        self._witness.look()
        now_ms = self._scheduler.now_ms
        for (symbol, name), times in self._witness.candles.items():
            interval = Interval(name)
            most = (now_ms - self._begun_ms + self._config.updater.history_ms(interval)) // interval.ms + 1
            require(len(times) <= most, f"{len(times)} candles of {symbol} {name}, where there can be {most}")
        store = ModelStore(self._node.models, self._node.clock)
        for topic in self._node.topics:
            count, most = len(store.versions(topic.task)), self._config.updater.keep_versions + EXTRA_VERSIONS
            require(count <= most, f"{count} versions of {topic.task}, where {most} are kept")
        oldest = min((made_from for _, made_from in self._witness.answers), default=now_ms)
        require(oldest >= now_ms - self._reach_ms - FORGOTTEN_AFTER_MS, f"the ledger still has an answer made from {oldest}")

    # Answers

    def _look_at_answers(self) -> None:
        app = self._node.app
        if app is None:
            require(not self.must_answer, "nobody answers")
            self.statuses["nobody listens"] += len(self._node.topics)
            return
        client = app.test_client()
        shown = {topic["topic_id"]: topic for topic in client.get("/topics").get_json()}
        for topic in self._node.topics:
            answer = client.get(f"/inference/{topic.token}?topic={topic.id}")
            body = answer.get_data(as_text=True)
            check_answer(answer.status_code, answer.headers, body)
            if answer.status_code == 200:
                self.statuses["answered"] += 1
                self._look_at_answer(topic, float(body), shown[topic.id])
            else:
                self.statuses[answer.get_json()["error"]["code"]] += 1
                require(not self.must_answer, f"all should be well again, but {body}")

    def _look_at_answer(self, topic: Topic, value: float, shown: dict[str, Any]) -> None:
        interval, now_ms = topic.task.interval, self._scheduler.now_ms
        made_from = round(datetime.fromisoformat(shown["made_from"]).timestamp() * 1000)
        require(float(shown["answer"]) == value, f"{topic} is answered {value}, and shown as {shown['answer']}")
        require(made_from + interval.ms <= now_ms, f"{topic} is answered from a candle that has not closed")
        overdue_ms = self._node.clock.now_ms() - made_from - 2 * interval.ms
        require(
            overdue_ms <= self._config.inference.stale_after.ms, f"{topic} is answered from a candle overdue by {overdue_ms} ms"
        )
        folder = str(task_folder(self._node.models, topic.task) / shown["champion"])
        require(folder not in self._witness.damaged, f"{topic} is answered by {folder}, which was damaged")
        if self.must_answer:
            require(made_from == interval.last_closed(now_ms), f"all is well, but {topic} is answered from {made_from}")
        last = self._last_close(topic) if topic.task.target is Target.PRICE else None
        check_plausible(topic, value, last=last, network=None)

    def _last_close(self, topic: Topic) -> float:
        now_ms = self._scheduler.now_ms
        minutes = self._market.candles(topic.task.symbol, Interval.MINUTE, now_ms).between(0, now_ms - MINUTE_MS)
        return float(minutes.values[-1, CLOSE])

    # Disk

    def _look_at_new_candles(self) -> None:
        now_ms = self._scheduler.now_ms
        with closing(sqlite3.connect(self._node.database)) as connection:
            for (symbol, interval), newest in self._newest.items():
                rows = np.array(connection.execute(_NEW_CANDLES, (symbol, interval.value, newest)).fetchall(), np.float64)
                if not len(rows):
                    continue
                times = rows[:, 0].astype(np.int64)
                require(times[-1] + interval.ms <= now_ms, f"a candle of {symbol} {interval} is stored that has not closed")
                check_truth(self._market.candles(symbol, interval, now_ms), f"{symbol} {interval}", times, rows[:, 1:])
                self._newest[symbol, interval] = int(times[-1])

    def _look_at_ledger(self) -> None:
        before = set(self._witness.answers)
        self._witness.forgotten_before_ms = self._scheduler.now_ms + MOST_AHEAD_MS - self._reach_ms
        self._witness.look_at_ledger()
        for key in sorted(self._witness.answers.keys() - before):
            self.kept += 1
            self.digest.update(repr((key, self._witness.answers[key])).encode())

    # Submissions

    def _look_at_submissions(self) -> None:
        for entry in self._node.chain.state.submissions[len(self.submitted) :]:
            key = entry.topic_id, entry.nonce
            require(key not in self.submitted, f"topic {key[0]} has two answers for window {key[1]}")
            require(entry.nonce <= entry.height <= entry.nonce + WINDOW_BLOCKS, f"{entry} is not within its window")
            given = [
                float(body) for at_ms, body in self._served.get(entry.topic_id, []) if entry.opened_ms <= at_ms <= entry.time_ms
            ]
            same = any(math.isclose(float(entry.value), value, rel_tol=1e-9) for value in given)
            require(same, f"{entry} was not answered by inference, which said {given}")
            self.submitted.add(key)
            self.digest.update(repr((*key, entry.value, entry.height)).encode())
        for refused in self._node.chain.state.refused[self._refused :]:
            require(refused["log"] != TWICE, f"topic {refused['topic_id']} was submitted twice")
            self._refused += 1
        if self._node.worker is not None and self._node.worker not in self._workers:
            self._workers.append(self._node.worker)

    def _look_at_windows(self) -> None:
        """While nothing is wrong no window stays without its answer."""
        chain = self._node.chain
        chain.catch_up()
        last = chain.state.height - WINDOW_BLOCKS - 2
        while (nonce := chain.next_opening(self._window)) <= last:
            self._window = nonce
            start_ms, end_ms = chain.time_of(nonce), chain.time_of(nonce + WINDOW_BLOCKS)
            if all(self.is_well(what, start_ms, end_ms) for what in ANSWERS):
                left = [topic.id for topic in chain.state.topics.values() if topic.opens_at(nonce)]
                left = [number for number in left if (number, nonce) not in self.submitted]
                require(not left, f"nothing was wrong, but topics {left} have no answer for window {nonce}")

    @property
    def outcomes(self) -> Counter[str]:
        """How windows ended, by the workers' own metric."""
        found: Counter[str] = Counter()
        for worker in self._workers:
            for metric in worker.registry.collect():
                for sample in metric.samples:
                    if sample.name == "allora_worker_submissions_total":
                        found[sample.labels["outcome"]] += int(sample.value)
        return found

    # Log

    def _look_at_log(self) -> None:
        """A database that takes nothing ends a loop's turn with a traceback, and nothing else does."""
        for line in self._journal.unforeseen[self._unforeseen :]:
            self._unforeseen += 1
            excused = "loop failed" in line and any(
                one.kind == "database full" and one.start_ms <= self._scheduler.now_ms < one.well_by_ms for one in self._happenings
            )
            require(excused, f"this was not foreseen: {line}")
