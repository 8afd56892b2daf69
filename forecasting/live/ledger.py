"""Every answer that was servable, once per topic and candle, and what came of it.

An answer is kept as the model gave it, in model space and digit for digit, so that the judge of backtests can judge it as if it had
made the forecast itself. What came of it is never written down: it is read from the candles whenever someone asks, so that a candle
that was mended mends the truth too, and nothing has to be caught up with after a pause.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from sqlalchemy import BigInteger, Column, Double, Engine, Integer, String, Table, func, inspect, select

from forecasting.arrays import Floats
from forecasting.dataset.bars import split_into_runs
from forecasting.dataset.long_deviation import stored_deviation
from forecasting.dataset.signature import Signature
from forecasting.dataset.targets import compute_targets, from_model_space
from forecasting.live.bounded_deletion import forget
from forecasting.live.submissions import Submissions
from forecasting.prediction.conformal import LEVELS
from market.candle_store import CandleStore
from node.database import create_tables, metadata, upsert_statement
from node.durations import Duration
from node.topics import Target, Task

EDGES: Final = tuple(f"{side}_{level}" for level in LEVELS for side in ("low", "high"))
"""The intervals' edges at the horizon, in the order of `ForecastSeries.bounds`."""

COLUMNS: Final = ("topic_id", "made_from", "for_when", "value", *EDGES, "baseline", "last_price", "version", "truth")
"""What `Ledger.answers` gives."""

_answers = Table(
    "answers",
    metadata,
    Column("topic_id", Integer, primary_key=True, autoincrement=False),
    Column("made_from", BigInteger, primary_key=True, autoincrement=False),
    Column("for_when", BigInteger, nullable=False),
    Column("token", String(12), nullable=False),
    Column("target", String(16), nullable=False),
    Column("horizon", String(12), nullable=False),
    Column("version", String(40), nullable=False),
    Column("value", Double, nullable=False),
    Column("last_price", Double, nullable=False),
    # The rest in model space, as the graph was given it and answered.
    Column("forecast", Double, nullable=False),
    Column("baseline", Double, nullable=False),
    Column("scale", Double, nullable=False),
    *(Column(name, Double) for name in EDGES),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class ServedAnswer:
    """One answer. `value` is what was served, in the network's unit; the rest is in model space.

    `edges` are low and high of the intervals of 50, 80 and 90 percent, None where the model has none.
    """

    topic_id: int
    task: Task
    made_from: int
    """Open time of the newest bar the model read, UTC milliseconds."""
    version: str
    value: float
    last_price: float
    forecast: float
    baseline: float
    scale: float
    edges: tuple[float, ...] | None = None

    @property
    def for_when(self) -> int:
        """When the horizon ends, UTC milliseconds."""
        return self.made_from + self.task.interval.ms + self.task.horizon.ms


class Ledger:
    """The answers in one database, beside the candles that tell what came of them.

    Making one writes nothing, so that it can be read where it cannot be written; its table comes with the first answer.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._exists = False
        self._candles = CandleStore(engine)
        self.submissions = Submissions(engine)
        self._insert = upsert_statement(engine, _answers, ["topic_id", "made_from"], [])

    def record(self, answers: Sequence[ServedAnswer]) -> None:
        """Keep them, all or none. Of a topic and candle the first answer is kept: what is there already stays as it is."""
        if not answers:
            return
        if not self._is_there():
            create_tables(self._engine, _answers)
        with self._engine.begin() as connection:
            connection.execute(self._insert, [_row(answer) for answer in answers])

    def answers(self, topic_id: int, *, since_ms: int, until_ms: int | None = None) -> pd.DataFrame:
        """A topic's answers with since_ms <= made_from <= until_ms, oldest first, with the columns of COLUMNS.

        Everything is in the network's unit: a price, or a log return or volatility over the horizon. `truth` is NaN where it is not
        known: the horizon has not passed, or a gap in the candles lies on it. Edges are NaN where there were none.
        """
        found = self._with_truth(self._stored(topic_id, since_ms, until_ms))
        price, volatility = (found["target"] == target.value for target in (Target.PRICE, Target.VOLATILITY))
        for name in ("baseline", "truth", *EDGES):
            found[name] = found[name].mask(price, np.exp(found[name]))
        for name in ("baseline", *EDGES):
            found[name] = found[name].mask(price, found[name] * found["last_price"])
        found["truth"] = found["truth"].mask(price, found["close_then"].where(found["truth"].notna()))
        # What was served before the network's unit was known is told in it all the same, to the last digit.
        found["value"] = found["value"].mask(volatility, found["forecast"])
        for name in ("value", "baseline", "truth", *EDGES):
            found.loc[volatility, name] = _volatilities(found[volatility], name)
        return found[list(COLUMNS)]

    def count(self, topic_id: int, *, since_ms: int) -> int:
        """How many answers of a topic were made from bars since then."""
        if not self._is_there():
            return 0
        statement = select(func.count()).select_from(_answers)
        with self._engine.connect() as connection:
            found = connection.scalar(statement.where(_answers.c.topic_id == topic_id, _answers.c.made_from >= since_ms))
        return found or 0

    def judged(self, topic_id: int, task: Task, *, since_ms: int, until_ms: int | None = None) -> pd.DataFrame:
        """Those of a topic's answers for `task` whose truth is known, oldest first, in model space: columns made_from, version,
        forecast, baseline, scale, truth, EDGES, and sigma, the unit of returns (`forecasting.dataset.long_deviation`)."""
        stored = self._stored(topic_id, since_ms, until_ms)
        of_task = (
            (stored["token"] == task.token) & (stored["target"] == task.target.value) & (stored["horizon"] == str(task.horizon))
        )
        found = self._with_truth(stored[of_task].reset_index(drop=True))
        known = found[found["truth"].notna()].reset_index(drop=True)
        ends = known["made_from"].to_numpy(np.int64) + task.interval.ms + task.horizon.ms
        known["sigma"] = stored_deviation(self._candles, task, ends)
        return known[["made_from", "version", "forecast", "baseline", "scale", "truth", *EDGES, "sigma"]]

    def prune(self, before_ms: int) -> int:
        """Forget answers made from a bar before `before_ms`, and what was taken for nonces before it; how many answers.

        Only a part at once, the oldest first; see `forecasting.live.bounded_deletion`.
        """
        self.submissions.prune(before_ms)
        if not self._is_there():
            return 0
        return forget(self._engine, _answers.c.topic_id, _answers.c.made_from, before_ms)

    def _is_there(self) -> bool:
        self._exists = self._exists or inspect(self._engine).has_table(_answers.name)
        return self._exists

    def _stored(self, topic_id: int, since_ms: int, until_ms: int | None) -> pd.DataFrame:
        statement = select(_answers).where(_answers.c.topic_id == topic_id, _answers.c.made_from >= since_ms)
        if until_ms is not None:
            statement = statement.where(_answers.c.made_from <= until_ms)
        rows: Sequence[Any] = []
        if self._is_there():
            with self._engine.connect() as connection:
                rows = connection.execute(statement.order_by(_answers.c.made_from)).cursor.fetchall()
        names = [column.name for column in _answers.columns]
        numbers = dict.fromkeys(("topic_id", "made_from", "for_when"), "int64")
        numbers |= {column.name: "float64" for column in _answers.columns if isinstance(column.type, Double)}
        return pd.DataFrame(rows, columns=names).astype(numbers)

    def _with_truth(self, answers: pd.DataFrame) -> pd.DataFrame:
        """With `actual` in model space and `close_then`, the close at the horizon's end; NaN where they are not known."""
        answers["truth"], answers["close_then"] = np.nan, np.nan
        for (token, target, horizon), of_task in answers.groupby(["token", "target", "horizon"], sort=False):
            task = Task(str(token), Target(str(target)), Duration.parse(str(horizon)))
            first, last = int(of_task["made_from"].min()), int(of_task["made_from"].max())
            candles = self._candles.window(task.symbol, task.interval, first, last + task.horizon.ms)
            actual = pd.Series(actuals(task, candles), candles["open_time"])
            close = pd.Series(candles["close"].to_numpy(), candles["open_time"])
            answers.loc[of_task.index, "truth"] = actual.reindex(of_task["made_from"]).to_numpy()
            answers.loc[of_task.index, "close_then"] = close.reindex(of_task["made_from"] + task.horizon.ms).to_numpy()
        return answers


def _volatilities(answers: pd.DataFrame, name: str) -> list[float]:
    """A column of logs of volatility per bar in the network's unit, as `from_model_space` has it."""
    steps = [Task("", Target.VOLATILITY, Duration.parse(horizon)).steps for horizon in answers["horizon"]]
    return [from_model_space(Target.VOLATILITY, *each, math.nan) for each in zip(steps, answers[name].tolist(), strict=True)]


def actuals(task: Task, candles: pd.DataFrame) -> Floats:
    """What came of a forecast made at each of the candles [n], in model space; NaN where it is not known."""
    signature = Signature(task.token, task.target, task.horizon, task.interval, window=1, features=())
    found = np.full(len(candles), np.nan)
    for run in split_into_runs(candles, task.interval):
        found[run.start : run.stop] = compute_targets(run.bars, signature).actual
    return found


def _row(answer: ServedAnswer) -> dict[str, Any]:
    task = answer.task
    edges: Iterable[float | None] = answer.edges if answer.edges is not None else [None] * len(EDGES)
    return {
        "topic_id": answer.topic_id,
        "made_from": answer.made_from,
        "for_when": answer.for_when,
        "token": task.token,
        "target": task.target.value,
        "horizon": str(task.horizon),
        "version": answer.version,
        "value": answer.value,
        "last_price": answer.last_price,
        "forecast": answer.forecast,
        "baseline": answer.baseline,
        "scale": answer.scale,
        **dict(zip(EDGES, edges, strict=True)),
    }
