"""What befalls the node in a month: drawn beforehand from a seed, one trouble after another, each kind before any comes again.

Each fault says what it may stop, and how soon after its end all must be well again.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock

from sqlalchemy import event
from sqlalchemy.pool import Pool

import model_store.durable
from model_store.layout import task_folder
from model_store.manifest import GRAPH, MANIFEST, WEIGHTS
from model_store.store import ModelStore
from node.durations import HOUR_MS, MINUTE_MS, SECOND_MS
from node.topics import Task
from simulator.chain.faults import NODE_FAULTS, TRANSACTION_FAULTS, Fault
from simulator.exchange.failures import NAMES as EXCHANGE_FAILURES
from tests.system.month.chain import BLOCK_MS
from tests.system.month.exchange import InProcessExchange
from tests.system.month.node import NAMES as PROCESSES
from tests.system.month.node import Node
from tests.system.month.scheduler import Scheduler

ANSWERS: Final = frozenset({"answers", "submissions"})
SUBMISSIONS: Final = frozenset({"submissions"})
NOTHING: Final[frozenset[str]] = frozenset()

SOON_MS: Final = 15 * MINUTE_MS
"""How soon after most faults every topic must be answered: a look or two of every loop."""
REFUSED_MS: Final = 60 * MINUTE_MS + SOON_MS
"""The exchange's address is left alone for an hour."""
MENDED_MS: Final = 60 * MINUTE_MS + SOON_MS
"""Gaps of more than some hours ago are mended by the walk through the history, once an hour."""
HALTED_MS: Final = 300 * MINUTE_MS
"""Models of minutes look back on some hours without a gap."""

SPOILED: Final = ("wrong_columns", "nan", "zero_price", "spike", "empty")
"""Failures that leave gaps behind, wherever they were met."""
HARMLESS: Final = ("duplicates", "unordered", "future", "unfinished")
"""Failures of the exchange that stop no answer."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One fault: from when to when, what it may stop, and until when."""

    kind: str
    start_ms: int
    end_ms: int
    well_after_ms: int
    stops: frozenset[str]
    begin: Callable[[], None]
    end: Callable[[], None]

    @property
    def well_by_ms(self) -> int:
        return self.end_ms + self.well_after_ms


class Disk:
    """The machine's disk as far as it can be full: for the model store after so many files, and for the database."""

    def __init__(self) -> None:
        self.refused_files = 0
        self.database_full = False

    def write_file(self, write: Callable[[Path, bytes], None], path: Path, content: bytes) -> None:
        """Half of the file, and what the system says of a full disk."""
        if not self.refused_files:
            write(path, content)
            return
        self.refused_files -= 1
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    def limit(self, connection: Any, record: Any, _: Any) -> None:
        """A database that may grow no more says of itself what it says of a full disk."""
        pages = 1 if self.database_full else 2**30
        if record.info.get("pages", 2**30) != pages:
            record.info["pages"] = pages
            connection.execute(f"PRAGMA max_page_count={pages}")

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While inside, the node writes to this disk."""
        with ExitStack() as stack:
            patched = partial(self.write_file, model_store.durable.write_file)
            stack.enter_context(mock.patch.object(model_store.durable, "write_file", patched))
            event.listen(Pool, "checkout", self.limit)
            stack.callback(event.remove, Pool, "checkout", self.limit)
            yield


class Faults:
    """Makes every kind of fault for one node, from a seed."""

    def __init__(self, node: Node, exchange: InProcessExchange, disk: Disk, scheduler: Scheduler, random: Random) -> None:
        self._node, self._exchange, self._disk = node, exchange, disk
        self._scheduler, self._random = scheduler, random
        self.damaged: set[str] = set()
        """Folders of versions that are not what they were."""

    def plan(self, start_ms: int, end_ms: int, hours_between: float) -> list[Happening]:
        """What happens between two moments: about as far apart, and all over at the end."""
        happenings: list[Happening] = []
        kinds: list[str] = []
        at_ms = start_ms
        while True:
            if not kinds:
                kinds = self._random.sample(self.kinds, len(self.kinds))
            happening = self._make(kinds.pop(), at_ms)
            if happening.well_by_ms > end_ms:
                return happenings
            happenings.append(happening)
            at_ms = happening.well_by_ms + round(self._random.expovariate(1 / hours_between) * HOUR_MS) + 10 * MINUTE_MS

    @property
    def kinds(self) -> list[str]:
        """Every kind there is."""
        exchange = [f"exchange {name}" for name in EXCHANGE_FAILURES]
        chain = [f"chain {name}" for name in (*NODE_FAULTS, *TRANSACTION_FAULTS)]
        killed = [f"killed {name}" for name in (*PROCESSES, "everything")]
        disk = ["version disk full", "database full", "flipped bit", "bad config", "damaged candle"]
        return [*exchange, *chain, *killed, *disk, "clock ahead", "clock behind"]

    def _make(self, kind: str, at_ms: int) -> Happening:
        group, _, name = kind.partition(" ")
        if group == "exchange":
            return self._of_exchange(kind, name, at_ms)
        if group == "chain":
            return self._of_chain(kind, name, at_ms)
        if group == "killed":
            return self._of_processes(kind, PROCESSES if name == "everything" else (name,), at_ms)
        return {"clock": self._of_clock, "version": self._of_versions, "database": self._of_database}.get(group, self._of_files)(
            kind, at_ms
        )

    def _minutes(self, least: float, most: float) -> int:
        return round(self._random.uniform(least, most) * MINUTE_MS)

    def _of_exchange(self, kind: str, name: str, at_ms: int) -> Happening:
        # No candle of a quarter of an hour lies wholly in such a halt: models of these look back on days without a gap.
        lasts = self._minutes(3, 14) if name == "halt" else self._minutes(5, 150)
        after = {"halt": HALTED_MS, "http_403": REFUSED_MS, "http_451": REFUSED_MS} | dict.fromkeys(SPOILED, MENDED_MS)
        stops = NOTHING if name in HARMLESS else ANSWERS
        failures = self._exchange.failures
        return Happening(kind, at_ms, at_ms + lasts, after.get(name, SOON_MS), stops, lambda: failures.start(name), failures.heal)

    def _of_chain(self, kind: str, name: str, at_ms: int) -> Happening:
        """Faults of the chain matter where a window is open."""
        chain = self._node.chain
        height = chain.next_opening(chain.state.height + (at_ms - self._scheduler.now_ms) // BLOCK_MS)
        seconds = self._random.uniform(10, 180)
        start = chain.time_of(height) - round(self._random.uniform(0, 20) * SECOND_MS)
        count = self._random.randint(1, 3)
        fault = partial(Fault, name, seconds=seconds, count=count)
        end = start + round(max(seconds, 150) * SECOND_MS)
        return Happening(kind, start, end, SOON_MS, SUBMISSIONS, lambda: chain.script(fault()), chain.heal)

    def _of_processes(self, kind: str, names: tuple[str, ...], at_ms: int) -> Happening:
        """Killed where they wait; an updater wherever it looks at the clock, at the latest when it is started again."""
        looks, lasts = self._random.randrange(300), self._minutes(1, 40)

        def begin() -> None:
            for name in names:
                if name == "updater":
                    self._node.light_fuse(name, looks)
                else:
                    self._node.kill(name)

        def end() -> None:
            for name in names:
                self._node.kill(name)
                self._node.start(name)

        return Happening(kind, at_ms, at_ms + lasts, SOON_MS, ANSWERS, begin, end)

    def _of_clock(self, kind: str, at_ms: int) -> Happening:
        ahead = self._minutes(1, 20) * (1 if kind.endswith("ahead") else -1)

        def set_to(ahead_ms: int) -> None:
            self._node.clock.ahead_ms = ahead_ms

        end = at_ms + self._minutes(5, 120)
        return Happening(kind, at_ms, end, SOON_MS, ANSWERS, partial(set_to, ahead), partial(set_to, 0))

    def _of_versions(self, kind: str, at_ms: int) -> Happening:
        """The next file or two of the model store cannot be written whole; nothing stops for it."""
        files = self._random.randint(1, 3)

        def begin() -> None:
            self._disk.refused_files = files

        return Happening(kind, at_ms, at_ms + MINUTE_MS, 0, NOTHING, begin, lambda: None)

    def _of_database(self, kind: str, at_ms: int) -> Happening:
        def set_to(full: bool) -> None:
            self._disk.database_full = full

        end = at_ms + self._minutes(5, 60)
        return Happening(kind, at_ms, end, SOON_MS, ANSWERS, partial(set_to, True), partial(set_to, False))

    def _of_files(self, kind: str, at_ms: int) -> Happening:
        write = self._node.config_file.write_text
        if kind == "bad config":
            bad = self._random.choice(["", "{", '{"worker": []}', '{"worker": [{"topicId": 3, "modle": 1}]}', "\0\0\0"])
            end = at_ms + self._minutes(5, 60)
            return Happening(kind, at_ms, end, 0, NOTHING, partial(write, bad), partial(write, self._node.good_config))
        begin = self._flip_a_bit if kind == "flipped bit" else self._damage_a_candle
        return Happening(kind, at_ms, at_ms + MINUTE_MS, SOON_MS, ANSWERS, begin, lambda: None)

    def _flip_a_bit(self) -> None:
        """In a champion that has another to fall back to; it is noticed when inference starts again."""
        folders = [folder for topic in self._node.topics if (folder := self._champion_with_another(topic.task)) is not None]
        if folders:
            folder = self._random.choice(folders)
            path = folder / self._random.choice([GRAPH, WEIGHTS, MANIFEST])
            content = bytearray(path.read_bytes())
            # Near the beginning: how long a manifest is differs with the time that its training really took.
            content[self._random.randrange(100)] ^= 1 << self._random.randrange(8)
            path.write_bytes(content)
            self.damaged.add(str(folder))
        self._node.kill("inference")
        self._node.start("inference")

    def _champion_with_another(self, task: Task) -> Path | None:
        """The champion's folder, if a former champion is still there and sound."""
        store = ModelStore(self._node.models, self._node.clock)
        pointer, folder = store.pointer(task), task_folder(store.root, task)
        if pointer is None:
            return None
        there = {str(folder / name) for name in store.versions(task)} - self.damaged
        has_another = any(str(folder / entry.version) in there for entry in pointer.former)
        return folder / pointer.champion.version if has_another else None

    def _damage_a_candle(self) -> None:
        """One of the last hour's, so that it can be no candle any more."""
        with closing(sqlite3.connect(self._node.database)) as connection, connection:
            newest = connection.execute("SELECT symbol, interval, max(open_time) FROM candles GROUP BY symbol, interval").fetchall()
            symbol, interval, open_time = next(row for row in newest if row[1] == "1m")
            at = open_time - self._random.randrange(60) * MINUTE_MS
            connection.execute(
                "UPDATE candles SET high = low / 2 WHERE symbol = ? AND interval = ? AND open_time = ?", (symbol, interval, at)
            )
