"""What the page reads beside the lists: candles with what was forecast for them, and how far the updater has come."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any, Final

import numpy as np
import pandas as pd
from flask import Blueprint, Response, jsonify, request
from sqlalchemy.exc import SQLAlchemyError

from forecasting.arrays import Floats
from forecasting.dataset.bars import split_into_runs
from forecasting.dataset.signature import DEFAULT_ESTIMATOR
from forecasting.dataset.targets import ESTIMATORS
from forecasting.prediction.conformal import LEVELS
from inference.answers.snapshot import Answer, CurrentSnapshot, TopicState
from inference.answers.training_status import UPDATER
from inference.answers.watcher import MarketData
from inference.http.query import whole_number
from inference.routes.schemas import CandleColumns, CandlesShown, PastAnswer
from node.errors import NotReadyError
from node.timestamps import utc_text
from node.topics import Target, Task
from node.truth import unit

USUAL_BARS: Final = 50
MOST_BARS: Final = 1000
OpenData = Callable[[], MarketData | None]


def market_view(current: CurrentSnapshot, data: OpenData) -> Blueprint:
    """GET /candles/<token> and /updater."""
    routes = Blueprint("market_view", __name__)

    @routes.get("/candles/<token>", endpoint="candles")
    def show_candles(token: str) -> Response:
        state = current.snapshot.find(token, request.args.get("topic")).state
        bars = whole_number("bars", request.args.get("bars"), usual=USUAL_BARS, most=MOST_BARS)
        try:
            return jsonify(_show(state, bars, _opened(data)))
        except SQLAlchemyError as error:
            raise _unreadable() from error

    @routes.get("/updater", endpoint="updater")
    def show_updater() -> Response:
        try:
            heartbeat = _opened(data).heartbeats.last(UPDATER)
        except SQLAlchemyError as error:
            raise _unreadable() from error
        if heartbeat is None:
            return jsonify(heard=None, state="never heard of", topics={})
        return jsonify({"heard": utc_text(heartbeat.at_ms)} | heartbeat.body)

    return routes


def _opened(data: OpenData) -> MarketData:
    opened = data()
    if opened is None:
        raise _unreadable()
    return opened


def _unreadable() -> NotReadyError:
    return NotReadyError("the database cannot be read", retry_after=5, hint="The log of inference says why.")


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
