"""What the worker took to submit, nonce by nonce, and what came of it in the network's terms.

The interval of a nonce is known by its base (`node.truth`). Of a topic and base the last answer that the worker took is kept, and
whether the chain accepted it, where the worker has said so. As in the ledger, what came of it is never written down but read from
the candles: price at the base, price at the end, and for a volatility the minutes between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from sqlalchemy import BigInteger, Boolean, Column, Double, Engine, Integer, String, Table, func, inspect, select, update

from forecasting.arrays import Floats, Integers
from forecasting.dataset.bars import split_into_runs
from forecasting.dataset.long_deviation import stored_deviation
from forecasting.dataset.signature import Signature
from forecasting.dataset.targets import compute_targets
from forecasting.live.bounded_deletion import forget
from market.candle_store import CandleStore
from node.database import create_tables, metadata, upsert_statement
from node.durations import MINUTE_MS, Interval
from node.topics import Target, Task
from node.truth import TopicInterval, priced_by, unit

COLUMNS: Final = (
    "topic_id", "base_ms", "end_ms", "asked_ms", "version", "value", "accepted", "base_price", "baseline", "actual",
)  # fmt: skip
"""What `Submissions.of_topic` gives."""

JUDGED: Final = ("base_ms", "version", "forecast", "baseline", "scale", "actual", "sigma")
"""What `Submissions.judged` gives."""

_submissions = Table(
    "submissions",
    metadata,
    Column("topic_id", Integer, primary_key=True, autoincrement=False),
    Column("base_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("asked_ms", BigInteger, nullable=False),
    Column("token", String(12), nullable=False),
    Column("target", String(16), nullable=False),
    Column("horizon", String(12), nullable=False),
    Column("version", String(40), nullable=False),
    Column("value", Double, nullable=False),
    Column("scale", Double, nullable=False),
    Column("accepted", Boolean),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class TakenAnswer:
    """An answer that the worker took: `value` in the network's unit, for the interval that it was asked about.

    `scale` is the ordinary size of a move over the horizon when it was made, in model space.
    """

    topic_id: int
    asked: TopicInterval
    asked_ms: int
    version: str
    value: float
    scale: float


class Submissions:
    """The taken answers in one database, beside the candles that tell what came of them. Making one writes nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._exists = False
        self._candles = CandleStore(engine)
        self._insert = upsert_statement(
            engine, _submissions, ["topic_id", "base_ms"], ["asked_ms", "token", "target", "horizon", "version", "value", "scale"]
        )

    def record(self, taken: Sequence[TakenAnswer], accepted: Iterable[tuple[int, int]] = ()) -> None:
        """Keep these, the last of a topic and base in the place of those before; and that the chain accepted (topic, base)."""
        bases = list(accepted)
        if not taken and not bases:
            return
        if not self._is_there():
            create_tables(self._engine, _submissions)
        row = _submissions.c
        with self._engine.begin() as connection:
            if taken:
                connection.execute(self._insert, [_row(each) for each in taken])
            for topic_id, base_ms in bases:
                of_nonce = update(_submissions).where(row.topic_id == topic_id, row.base_ms == base_ms)
                connection.execute(of_nonce.values(accepted=True))

    def of_topic(self, topic_id: int, task: Task, *, since_ms: int, until_ms: int | None = None) -> pd.DataFrame:
        """What was taken for a topic while it was `task`, with since_ms <= base_ms <= until_ms, oldest first: columns of COLUMNS.

        Everything is in the network's unit. `accepted` is None where the worker has not said. `base_price` and `actual` are NaN
        where they are not known: the interval has not ended, or a gap in the candles lies where it matters.
        """
        found = self._stored(topic_id, task, since_ms, until_ms)
        found["end_ms"] = found["base_ms"] + task.horizon.ms
        return self._with_actual(found, task)[list(COLUMNS)]

    def judged(self, topic_id: int, task: Task, *, since_ms: int, until_ms: int | None = None) -> pd.DataFrame:
        """Those whose actual value is known, in model space of one-minute bars, with the columns of JUDGED.

        The baseline is what was known at the base: its price, no return, or the volatility over the span before. `sigma` is what
        reputers measure a return in.
        """
        found = self._stored(topic_id, task, since_ms, until_ms)
        found["end_ms"] = found["base_ms"] + task.horizon.ms
        found = self._with_actual(found, task)
        known = found[found[["actual", "baseline"]].notna().all(axis=1) & (found["value"] > _floor(task))].reset_index(drop=True)
        known["forecast"] = _to_model_space(task, known["value"], known["base_price"])
        for name in ("baseline", "actual"):
            known[name] = _to_model_space(task, known[name], known["base_price"])
        known["sigma"] = stored_deviation(self._candles, task, known["end_ms"].to_numpy(np.int64))
        return known[list(JUDGED)]

    def count(self, topic_id: int, *, since_ms: int) -> int:
        """How many nonces of a topic since then something was taken for."""
        if not self._is_there():
            return 0
        statement = select(func.count()).select_from(_submissions)
        with self._engine.connect() as connection:
            found = connection.scalar(statement.where(_submissions.c.topic_id == topic_id, _submissions.c.base_ms >= since_ms))
        return found or 0

    def prune(self, before_ms: int) -> int:
        """Forget nonces whose base lies before `before_ms`, a part at once; how many there were."""
        if not self._is_there():
            return 0
        return forget(self._engine, _submissions.c.topic_id, _submissions.c.base_ms, before_ms)

    def _is_there(self) -> bool:
        self._exists = self._exists or inspect(self._engine).has_table(_submissions.name)
        return self._exists

    def _stored(self, topic_id: int, task: Task, since_ms: int, until_ms: int | None) -> pd.DataFrame:
        row = _submissions.c
        statement = select(_submissions).where(row.topic_id == topic_id, row.base_ms >= since_ms)
        statement = statement.where(row.token == task.token, row.target == task.target.value, row.horizon == str(task.horizon))
        if until_ms is not None:
            statement = statement.where(row.base_ms <= until_ms)
        rows: Sequence[Any] = []
        if self._is_there():
            with self._engine.connect() as connection:
                rows = connection.execute(statement.order_by(row.base_ms)).all()
        found = pd.DataFrame(rows, columns=[column.name for column in _submissions.columns])
        return found.astype({"base_ms": "int64", "asked_ms": "int64", "value": "float64", "scale": "float64"})

    def _with_actual(self, found: pd.DataFrame, task: Task) -> pd.DataFrame:
        bases, ends = found["base_ms"].to_numpy(np.int64), found["end_ms"].to_numpy(np.int64)
        found["base_price"] = self._prices(task, bases)
        if task.target is Target.VOLATILITY:
            found["baseline"], found["actual"] = self._volatilities(task, bases)
            return found
        at_end = self._prices(task, ends)
        if task.target is Target.PRICE:
            return found.assign(baseline=found["base_price"], actual=at_end)
        return found.assign(baseline=0.0, actual=np.log(at_end / found["base_price"]))

    def _prices(self, task: Task, moments: Integers) -> Floats:
        opened = [priced_by(moment) for moment in moments.tolist()]
        closes = self._candles.closes(task.symbol, Interval.MINUTE, opened)
        return np.array([closes.get(time_ms, np.nan) for time_ms in opened])

    def _volatilities(self, task: Task, bases: Integers) -> tuple[Floats, Floats]:
        """Over the span before each base, and over the interval itself."""
        if len(bases) == 0:
            return np.empty(0), np.empty(0)
        minutes = task.horizon.ms // MINUTE_MS
        first, last = int(bases[0]) - (minutes + 1) * MINUTE_MS, int(bases[-1]) + task.horizon.ms
        candles = self._candles.window(task.symbol, Interval.MINUTE, first, last)
        signature = Signature(task.token, task.target, task.horizon, Interval.MINUTE, window=1, features=())
        times = candles["open_time"].to_numpy(np.int64) + MINUTE_MS
        before, after = np.full(len(candles), np.nan), np.full(len(candles), np.nan)
        for run in split_into_runs(candles, Interval.MINUTE):
            targets = compute_targets(run.bars, signature)
            before[run.start : run.stop], after[run.start : run.stop] = targets.baseline, targets.actual
        factor = unit(task.target, minutes)
        found = [np.exp(pd.Series(values, times).reindex(bases).to_numpy()) * factor for values in (before, after)]
        return found[0], found[1]


def _floor(task: Task) -> float:
    """What a value must exceed to be one that has a logarithm."""
    return -np.inf if task.target is Target.LOG_RETURN else 0.0


def _to_model_space(task: Task, values: pd.Series, base_prices: pd.Series) -> pd.Series:
    """From the network's unit: log returns over the interval, or logs of volatility per minute."""
    if task.target is Target.LOG_RETURN:
        return values
    in_units = values / (base_prices if task.target is Target.PRICE else unit(task.target, task.horizon.ms // MINUTE_MS))
    return pd.Series(np.log(in_units.to_numpy()), values.index)


def _row(taken: TakenAnswer) -> dict[str, Any]:
    task = taken.asked.task
    return {
        "topic_id": taken.topic_id,
        "base_ms": taken.asked.base_ms,
        "asked_ms": taken.asked_ms,
        "token": task.token,
        "target": task.target.value,
        "horizon": str(task.horizon),
        "version": taken.version,
        "value": taken.value,
        "scale": taken.scale,
    }
