"""What must hold of a node's disk and of its answers, whenever any of its processes was killed, and all through a month.

A `Witness` looks again and again at the same node. What it has once seen stored must be there for ever after, and unchanged.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from inference.routes.schemas import ErrorAnswer
from market.candles import COLUMNS, check_candles
from model_store.layout import INCOMING, POINTER, REMOVED, task_folder
from model_store.pointer import Pointer
from model_store.store import ModelStore
from model_store.verification import digest
from node.clock import Clock
from node.durations import Interval
from node.errors import BadMarketDataError, ModelStoreError, NotReadyError
from node.topics import Task
from simulator.exchange.candles import Candles, Market

MOST_LEFTOVERS: Final = 3
"""In a task's folder: the writer that was killed last leaves at most one version unfinished, one half deleted, and one pointer."""

_LEDGER: Final = "SELECT topic_id, made_from, version, value FROM answers"

LAST_DIGIT: Final = 1e-8
"""The exchange says eight decimals."""

DECIMAL: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


class BrokenInvariantError(AssertionError):
    """Something that must always hold does not."""


def require(holds: bool, what: str) -> None:
    """BrokenInvariantError saying `what` is wrong unless `holds`."""
    if not holds:
        raise BrokenInvariantError(what)


@dataclass
class Witness:
    """Looks at one node's database and model store, and remembers what it saw."""

    database: Path
    models: Path
    truth: Market
    clock: Clock
    tasks: tuple[Task, ...]
    candles: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    """Open times seen, by symbol and interval."""
    answers: dict[tuple[int, int], tuple[Any, ...]] = field(default_factory=dict)
    """Rows of the ledger seen, by topic and candle."""
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    """Digests of each version's files, by the version's path."""
    promoted: set[Task] = field(default_factory=set)
    """Cells that have had a champion."""
    damaged: set[str] = field(default_factory=set)
    """Paths of versions that somebody else has changed: nobody may serve them, and they need not verify."""
    forgotten_before_ms: int = 0
    """Answers made from older candles may be there no more."""
    ahead_ms: int = 0
    """How far the node's own clock may have been ahead."""

    def look(self) -> None:
        """Check all of it; BrokenInvariantError says what does not hold."""
        if self.database.exists():
            with self._connected() as connection:
                self._look_at_database(connection)
        for task in self.tasks:
            self._look_at_pointer(task)
            self._look_at_versions(task)
            self._look_at_leftovers(task)
        # Last, so that what the ledger names was in the store before.
        known = {Path(path).name for path in (*self.versions, *self.damaged)}
        for (topic, made_from), row in self.answers.items():
            require(row[0] in known, f"the answer of topic {topic} at {made_from} is from version {row[0]}, which was never there")

    def look_at_ledger(self) -> None:
        """Check the ledger alone, which costs little."""
        with self._connected() as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'answers'").fetchone():
                self._look_at_ledger(connection.execute(_LEDGER).fetchall())

    def _connected(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.database, timeout=15))

    # Database

    def _look_at_database(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA integrity_check").fetchall()
        require(found == [("ok",)], f"the database is damaged: {found[:3]}")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        require("candles" in tables or not self.candles, "the table of candles has gone")
        require("answers" in tables or not self.answers, "the ledger has gone")
        if "candles" in tables:
            self._look_at_candles(pd.read_sql_query("SELECT * FROM candles", connection))
        if "answers" in tables:
            self._look_at_ledger(connection.execute(_LEDGER).fetchall())
        if "heartbeats" in tables:
            for process, at_ms, body in connection.execute("SELECT process, at_ms, body FROM heartbeats"):
                require(at_ms <= self.clock.now_ms() + self.ahead_ms, f"the heartbeat of {process} is from the future")
                require(_is_object(body), f"the heartbeat of {process} is cut off")

    def _look_at_candles(self, stored: pd.DataFrame) -> None:
        now_ms = self.clock.now_ms()
        there: dict[tuple[str, str], set[int]] = {}
        for (symbol, name), frame in stored.groupby(["symbol", "interval"]):
            interval, times = Interval(str(name)), frame["open_time"].to_numpy()
            try:
                check_candles(frame[list(COLUMNS)], interval, now_ms)
            except BadMarketDataError as error:
                raise BrokenInvariantError(f"candles of {symbol} {name}: {error.message}") from None
            truth = self.truth.candles(str(symbol), interval, now_ms)
            check_truth(truth, f"{symbol} {name}", times, frame[list(COLUMNS[1:])].to_numpy())
            there[str(symbol), str(name)] = set(times.tolist())
        for series, seen in self.candles.items():
            lost = seen - there.get(series, set())
            require(not lost, f"{len(lost)} candles of {series} that were stored are there no more: {sorted(lost)[:3]}")
        self.candles = there

    def _look_at_ledger(self, rows: list[tuple[Any, ...]]) -> None:
        there = {(topic, made_from): rest for topic, made_from, *rest in rows}
        require(len(there) == len(rows), "a topic has two answers for one candle")
        for (topic, made_from), (_, value) in there.items():
            require(math.isfinite(value), f"the answer of topic {topic} at {made_from} is not finite")
        for key, seen in self.answers.items():
            require(key in there or key[1] < self.forgotten_before_ms, f"the answer {key} of the ledger is there no more")
            require(key not in there or tuple(there[key]) == seen, f"the answer {key} of the ledger has changed")
        self.answers = {key: tuple(rest) for key, rest in there.items()}

    # Model store

    def _look_at_pointer(self, task: Task) -> None:
        pointer, path = self._pointer(task), task_folder(self.models, task) / POINTER
        require(pointer is not None or task not in self.promoted, f"{path} has gone")
        if pointer is None:
            return
        self.promoted.add(task)
        entry = pointer.champion
        try:
            ModelStore(self.models, self.clock).load(task, entry.version, entry.manifest_sha256)
        except ModelStoreError as error:
            # The updater may be at work: a champion that has been one no more is allowed to go.
            excused = str(task_folder(self.models, task) / entry.version) in self.damaged or self._pointer(task) != pointer
            require(excused, f"the champion {entry.version} of {task} does not verify: {error.message}")

    def _pointer(self, task: Task) -> Pointer | None:
        try:
            return ModelStore(self.models, self.clock).pointer(task)
        except ModelStoreError as error:
            raise BrokenInvariantError(f"the champion pointer of {task} is damaged: {error.message}") from None

    def _look_at_versions(self, task: Task) -> None:
        store = ModelStore(self.models, self.clock)
        for name in store.versions(task):
            folder = task_folder(self.models, task) / name
            if str(folder) in self.damaged:
                continue
            try:
                store.load(task, name)
                digests = {path.name: digest(path.read_bytes()) for path in sorted(folder.iterdir())}
            except (ModelStoreError, FileNotFoundError) as error:
                require(not folder.exists(), f"the version {folder} is visible and not whole: {error}")
                continue
            before = self.versions.setdefault(str(folder), digests)
            require(before == digests, f"the version {folder} has been changed")

    def _look_at_leftovers(self, task: Task) -> None:
        folder = task_folder(self.models, task)
        aside = [path.name for path in folder.glob(".*")]
        known = [name for name in aside if name.startswith((INCOMING, REMOVED)) or name == f".{POINTER}.incoming"]
        require(aside == known, f"nobody clears these away in {folder}: {sorted(set(aside) - set(known))}")
        require(len(aside) <= MOST_LEFTOVERS, f"leftovers pile up in {folder}: {aside}")


def check_truth(truth: Candles, series: str, times: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> None:
    """Candles [n] and their values [n, 9] as they are stored must be the exchange's, to the last digit that it says."""
    at = np.searchsorted(truth.open_time, times)
    known = (at < len(truth)) & (truth.open_time[np.minimum(at, len(truth) - 1)] == times)
    require(bool(known.all()), f"candles of {series} that the exchange never had: {times[~known][:3]}")
    same = (np.abs(values - truth.values[at]) <= LAST_DIGIT).all(axis=1)
    require(bool(same.all()), f"candles of {series} that are not the exchange's: {times[~same][:3]}")


def check_answer(status: int, headers: Mapping[str, str], body: str) -> None:
    """A finite decimal, or the documented refusal in the one form of errors."""
    if status == 200:
        require(DECIMAL.fullmatch(body) is not None, f"answered {body!r}, which is no decimal")
        require(math.isfinite(float(body)), f"answered {body[:40]!r}, which is not finite")
        return
    require(status == 503, f"answered {status}: {body[:200]}")
    try:
        refusal = TypeAdapter(ErrorAnswer).validate_json(body)
    except ValidationError:
        raise BrokenInvariantError(f"refused with {body[:200]!r}, which is not the form of errors") from None
    require(refusal["error"]["code"] == NotReadyError.code, f"refused with {body[:200]!r}")
    require(headers.get("Retry-After", "").isdecimal(), "refused without Retry-After")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
