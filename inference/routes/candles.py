"""GET /candles/<token>: the newest candles that a topic's model reads, and the answers made for their time."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, Final

import numpy as np
import pandas as pd
from flask import Response, jsonify
from typing_extensions import TypedDict

from forecasting.arrays import Floats
from forecasting.dataset.bars import split_into_runs
from forecasting.dataset.signature import DEFAULT_ESTIMATOR
from forecasting.dataset.targets import ESTIMATORS
from forecasting.prediction.conformal import LEVELS
from inference.answers.snapshot import Answer, TopicState
from inference.answers.watcher import MarketData
from inference.http.query import QueryParameter
from inference.routes.context import Context
from inference.routes.readable_data import readable_data
from inference.routes.route import JSON, Route
from inference.routes.schemas import BarLength, LevelEdges, Milliseconds, Moment, TopicName, Version
from inference.routes.topic_parameters import TOKEN, TOPIC, TOPIC_ERRORS, find_topic
from node.timestamps import utc_text
from node.topics import Target, Task
from node.truth import unit

BARS: Final = QueryParameter(
    "bars",
    "n",
    "How many of the newest candles.",
    example=20,
    minimum=1,
    maximum=1000,
    default=50,
)


class CandleColumns(TypedDict):
    """Candles column by column, oldest first."""

    open_time: list[Milliseconds]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]


class PastAnswer(TypedDict):
    """An answer that was given, and what came of it: null as long as nobody knows."""

    made: Moment
    time: Moment
    value: float
    intervals: LevelEdges | None
    truth: float | None
    last_price: float
    version: Version


class CandlesShown(TopicName):
    """The newest candles a topic's model reads, and the answers made for their time."""

    symbol: str
    horizon_ms: int
    interval: BarLength
    interval_ms: int
    candles: CandleColumns
    past: list[PastAnswer]
    volatility: list[float | None] | None


def show_candles(context: Context, token: str) -> Response:
    """The newest candles, and the answers of the past that were for their time."""
    state = find_topic(context, token)
    bars = BARS.read_number()
    with readable_data(context) as data:
        return jsonify(_show(state, bars, data))


def _show(state: TopicState, count: int, data: MarketData) -> CandlesShown:
    task = state.topic.task
    candles = data.candles.last(task.symbol, task.interval, count + task.steps + 1)
    shown = candles.iloc[-count:]
    columns: CandleColumns = {
        "open_time": shown["open_time"].tolist(),
        "open": shown["open"].tolist(),
        "high": shown["high"].tolist(),
        "low": shown["low"].tolist(),
        "close": shown["close"].tolist(),
    }
    return {
        "topic_id": state.topic.id,
        "token": task.token,
        "symbol": task.symbol,
        "target": task.target.value,
        "horizon": str(task.horizon),
        "horizon_ms": task.horizon.ms,
        "interval": task.interval.value,
        "interval_ms": task.interval.ms,
        "candles": columns,
        "past": _past(state, shown, data),
        "volatility": _volatility(state, candles)[-count:] if task.target is Target.VOLATILITY else None,
    }


def _past(state: TopicState, shown: pd.DataFrame, data: MarketData) -> list[PastAnswer]:
    """The answers that were made for the time of these candles, in the form of a path's steps, with what came of each."""
    task = state.topic.task
    if shown.empty:
        return []
    start, end = int(shown["open_time"].iloc[0]), int(shown["open_time"].iloc[-1]) + task.interval.ms
    ahead = task.interval.ms + task.horizon.ms
    answers = data.ledger.answers(state.topic.id, since_ms=start - ahead, until_ms=end - ahead)
    return [_answer(task, row) for row in answers.to_dict("records")]


def _answer(task: Task, row: dict[Hashable, Any]) -> PastAnswer:
    known = not math.isnan(row["low_90"])
    return {
        "made": utc_text(row["made_from"] + task.interval.ms),
        "time": utc_text(row["for_when"]),
        "value": row["value"],
        "intervals": {str(level): [row[f"low_{level}"], row[f"high_{level}"]] for level in LEVELS} if known else None,
        "truth": None if math.isnan(row["truth"]) else row["truth"],
        "last_price": row["last_price"],
        "version": row["version"],
    }


def _volatility(state: TopicState, candles: pd.DataFrame) -> list[float | None]:
    """Volatility in the network's unit over the horizon up to each candle's close; None where a gap is in the way."""
    prediction_intervals = state.outcome.prediction_intervals if isinstance(state.outcome, Answer) else None
    estimate = ESTIMATORS[prediction_intervals.signature.estimator if prediction_intervals else DEFAULT_ESTIMATOR]
    steps = state.topic.task.steps
    factor = unit(Target.VOLATILITY, steps)
    parts: list[Floats] = [estimate(run.bars, steps) * factor for run in split_into_runs(candles, state.topic.task.interval)]
    measured = np.concatenate(parts) if parts else np.empty(0)
    return [None if np.isnan(value) else float(value) for value in measured]


ROUTE: Final = Route(
    "/candles/<token>",
    "candles",
    "the newest n candles that topic's model reads, and the answers made for their time",
    show_candles,
    {JSON: CandlesShown},
    path_parameters=(TOKEN,),
    query=(TOPIC, BARS),
    errors=TOPIC_ERRORS,
    tag="answers",
)
