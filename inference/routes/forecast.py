"""GET /forecast/<token>: the way to the horizon, step by step, with intervals.

The watcher has asked the model; what is left for a request is a few multiplications for the number of steps it wants.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, jsonify, request

from forecasting.prediction.path import PathStep
from inference.answers.snapshot import RETRY_NO_ANSWER_SECONDS, Answer, CurrentSnapshot, PredictionIntervals, TopicState
from inference.http.query import whole_number
from inference.routes.schemas import PathShown, PathStepShown
from node.clock import Clock
from node.errors import NotReadyError
from node.timestamps import utc_text

USUAL_STEPS: Final = 12
MOST_STEPS: Final = 288
"""Enough for every five minutes of a day; more would be more digits, not more knowledge."""


def paths(current: CurrentSnapshot, clock: Clock) -> Blueprint:
    """The route, over `current`."""
    routes = Blueprint("paths", __name__)

    @routes.get("/forecast/<token>")
    def forecast(token: str) -> Response:
        state = current.snapshot.find(token, request.args.get("topic")).state
        steps = whole_number("steps", request.args.get("steps"), usual=USUAL_STEPS, most=MOST_STEPS)
        refusal = state.refusal(clock.now_ms())
        if refusal is not None:
            raise refusal
        return jsonify(_show(state, steps))

    return routes


def _ahead(state: TopicState) -> tuple[Answer, PredictionIntervals]:
    """The topic's answer and what it says of the time until the horizon; NotReadyError for a model that cannot say."""
    answer = state.outcome
    if isinstance(answer, Answer) and answer.prediction_intervals is not None:
        return answer, answer.prediction_intervals
    version = f"version {state.champion.version}" if state.champion else "the model"
    raise NotReadyError(
        f"{state.topic}: {version} does not say how far off it has been, so there are no intervals to give",
        retry_after=RETRY_NO_ANSWER_SECONDS,
        hint=f"The next one trained will; /inference/{state.topic.token}?topic={state.topic.id} has the answer itself.",
    )


def _show(state: TopicState, steps: int) -> PathShown:
    task, (answer, prediction_intervals) = state.topic.task, _ahead(state)
    return {
        "topic_id": state.topic.id,
        "token": task.token,
        "target": task.target.value,
        "horizon": str(task.horizon),
        "version": answer.version,
        "made_from": utc_text(answer.made_from),
        "last_price": prediction_intervals.forecast.last_price,
        "baseline": prediction_intervals.forecast.baseline,
        "steps": [_step(step) for step in prediction_intervals.path(steps)],
    }


def _step(step: PathStep) -> PathStepShown:
    return {
        "time": utc_text(step.time_ms),
        "value": step.value,
        "intervals": {"50": [step.low50, step.high50], "80": [step.low80, step.high80], "90": [step.low90, step.high90]},
    }
