"""A node's month: its processes, what befalls them, and after every step all that must hold."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from node.durations import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Interval
from simulator.exchange.synthetic import SyntheticMarket
from tests.system.month.chain import InProcessChain
from tests.system.month.exchange import InProcessExchange
from tests.system.month.faults import Disk, Faults, Happening
from tests.system.month.invariants import Inspector
from tests.system.month.journal import Journal
from tests.system.month.node import NAMES, Node, in_simulation
from tests.system.month.scheduler import Scheduler

START_MS: Final = 1_749_999_600_000 + 10 * SECOND_MS
"""15:00:10 UTC. So windows open just after a turn of the loops, when candles are fresh."""
HISTORY_DAYS: Final = 2
KEPT_VERSIONS: Final = 4
MOST_MINUTES_REVIEWED: Final = 15
BEGINNING_MS: Final = 6 * HOUR_MS
"""Without faults, so that there is a champion everywhere."""
END_MS: Final = 2 * HOUR_MS
EPOCH_BLOCKS: Final = 3 * 720
"""A window of each topic every three hours."""
ATTENTIVE_MS: Final = 10 * MINUTE_MS
INSPECTION: Final = "inspection"
TURNS: Final = ("follow", "backfill", "train", "updater", "inference", "watcher", "ledger", "worker", "tidy", INSPECTION)
AFTER_MS: Final = {name: (place + 2) * SECOND_MS // 2 for place, name in enumerate(TURNS)}
"""How long after a full minute each has its turn: the exchange needs a second, and answers need the candles."""

TOPICS: Final = (
    (9001, "ETH", "price", "10m", "birnn"),
    (9002, "ETH", "volatility", "30m", "linear"),
    (9003, "BTC", "log_return", "8h", "mlp"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how closely, and how troubled."""

    seed: int = 1
    days: float = 30
    step_minutes: int = 180
    """How often everything has its turn while nothing happens, a part of three hours; it is `close_minutes` around the beginnings
    and ends of faults."""
    close_minutes: int = 5
    hours_between_faults: float = 15.0


@dataclass
class Pace:
    """When the node's loops have their turns: all at the same full minutes, one loop after the other."""

    step_ms: int
    close_ms: int
    spans: list[tuple[int, int]] = field(default_factory=list)
    """Within these, sorted, turns come closely."""

    def __call__(self, at_ms: int, name: str) -> int:
        """The first turn at or after `at_ms` of whoever has this name."""
        after_ms = AFTER_MS[name]
        return self._minute(at_ms - after_ms) + after_ms

    def _minute(self, at_ms: int) -> int:
        at_ms = -(-at_ms // self.close_ms) * self.close_ms
        while at_ms % self.step_ms and not self._is_close(at_ms):
            at_ms += self.close_ms
        return at_ms

    def _is_close(self, at_ms: int) -> bool:
        place = bisect_left(self.spans, (at_ms + 1, 0))
        return any(start <= at_ms <= end for start, end in self.spans[max(0, place - 4) : place])


class Month:
    """Runs once. The first promise that is broken comes out as BrokenInvariantError."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan, self.begun_ms = plan, START_MS
        self.end_ms = START_MS + round(plan.days * DAY_MS)
        self.pace = Pace(plan.step_minutes * MINUTE_MS, plan.close_minutes * MINUTE_MS, [(START_MS, START_MS + HOUR_MS)])
        self.scheduler = Scheduler(START_MS, self.pace)
        random = Random(plan.seed)
        market = SyntheticMarket(plan.seed, round(plan.days) + 15 * HISTORY_DAYS + 10)
        # Made once for the whole month, and not anew every other day.
        market.candles("ETHUSDT", Interval.MINUTE, self.end_ms + 3 * DAY_MS)
        self.exchange = InProcessExchange(market, self.scheduler)
        self.journal, self.disk = Journal(self.scheduler), Disk()
        self.node = Node(folder, self.scheduler, self.exchange, self._make_chain, _config(plan), self._served)
        self.faults = Faults(self.node, self.exchange, self.disk, self.scheduler, random)
        self.happenings = self.faults.plan(START_MS + BEGINNING_MS, self.end_ms - END_MS, plan.hours_between_faults)
        self.inspector = Inspector(self.node, self.scheduler, market, self.happenings, self.faults.damaged, self.journal)
        self.pace.spans = sorted([*self.pace.spans, *(span for one in self.happenings for span in _close_to(one))])

    def run(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """All of it."""
        with self._surroundings():
            for name in NAMES:
                self.node.start(name)
            for happening in self.happenings:
                self.scheduler.call_at(happening.start_ms, lambda one=happening: self._begin(one))
                self.scheduler.call_at(happening.end_ms, happening.end)
            self._inspect_at(self.scheduler.now_ms)
            for day in range(1, int(self.plan.days) + 1):
                self.scheduler.run_until(START_MS + day * DAY_MS)
                self.inspector.look_at_everything_soon()
                tell(f"day {day}: {self.in_words()}")
            self.scheduler.run_until(self.end_ms)
            self.inspector.look_at_everything()

    def in_words(self) -> str:
        """What has been until now."""
        seen = self.inspector
        faults, trainings = self.journal.faults.total(), self.journal.trainings.total()
        return (
            f"{seen.statuses['answered']} answers seen, {seen.kept} kept, {len(seen.submitted)} submitted, "
            f"{faults} faults, {trainings} trainings"
        )

    @property
    def digest(self) -> str:
        """Of every answer that was kept and every submission that was accepted, in their order."""
        return self.inspector.digest.hexdigest()

    @contextmanager
    def _surroundings(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.callback(self.exchange.close)
            stack.enter_context(self.journal.kept())
            stack.enter_context(self.disk.in_use())
            stack.enter_context(in_simulation(self.scheduler, self.exchange))
            for name in NAMES:
                stack.callback(self.node.kill, name)
            yield

    def _make_chain(self, topics: Any) -> InProcessChain:
        return InProcessChain(self.scheduler, topics, EPOCH_BLOCKS)

    def _served(self, topic: int, body: str) -> None:
        self.inspector.served(topic, body)

    def _begin(self, happening: Happening) -> None:
        self.journal.faults[happening.kind] += 1
        happening.begin()

    def _inspect_at(self, at_ms: int) -> None:
        def inspect() -> None:
            self.inspector.look()
            self._inspect_at(self.scheduler.now_ms + 1)

        self.scheduler.call_at(self.pace(at_ms, INSPECTION), inspect)


def _close_to(one: Happening) -> Iterator[tuple[int, int]]:
    """Around the beginning and the end of a fault, and when all must be well again."""
    yield one.start_ms, one.start_ms + ATTENTIVE_MS
    yield one.end_ms - ATTENTIVE_MS // 2, one.end_ms + ATTENTIVE_MS
    yield one.well_by_ms - ATTENTIVE_MS, one.well_by_ms + ATTENTIVE_MS


def _config(plan: Plan) -> dict[str, Any]:
    entries = [
        {"topicId": topic, "parameters": {"Token": token, "Target": target, "Horizon": horizon, "Model": model}}
        for topic, token, target, horizon, model in TOPICS
    ]
    updater = {"historyDays": HISTORY_DAYS, "maxEpochs": 1, "retrainEvery": "2d", "keepVersions": KEPT_VERSIONS}
    if plan.step_minutes > MOST_MINUTES_REVIEWED:
        # Of too few bars there is an answer to be reviewed.
        updater["skillFloor"] = None
    return {"worker": entries, "updater": updater}
