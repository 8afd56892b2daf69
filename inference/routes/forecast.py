"""GET /forecast/<token>: the way to the horizon, step by step, with intervals.

The watcher has run the model; what is left for a request is a few multiplications for the number of steps that it wants.
"""

from __future__ import annotations

from typing import Final

from flask import Response, jsonify
from typing_extensions import TypedDict

from forecasting.prediction.path import PathStep
from inference.answers.snapshot import RETRY_NO_ANSWER_SECONDS, Answer, PredictionIntervals, TopicState
from inference.http.query import QueryParameter
from inference.routes.context import Context
from inference.routes.route import JSON, Route
from inference.routes.schemas import LevelEdges, Moment, TopicName, Version
from inference.routes.topic_parameters import TOKEN, TOPIC, TOPIC_ERRORS, find_topic
from node.errors import NotReadyError
from node.timestamps import utc_text

STEPS: Final = QueryParameter(
    "steps",
    "n",
    "In how many equal steps to show the way.",
    example=4,
    minimum=1,
    maximum=288,  # every five minutes of a day; more would be more digits, not more knowledge
    default=12,
)


class PathStepShown(TypedDict):
    """One moment of the way to the horizon, in the target's own units."""

    time: Moment
    value: float
    intervals: LevelEdges


class PathShown(TopicName):
    """The way to the horizon."""

    version: Version
    made_from: Moment
    last_price: float
    baseline: float
    steps: list[PathStepShown]


def show_forecast(context: Context, token: str) -> Response:
    """The way ahead, or the reason why none may be served now."""
    state = find_topic(context, token)
    steps = STEPS.read_number()
    refusal = state.refusal(context.clock.now_ms())
    if refusal is not None:
        raise refusal
    return jsonify(_show(state, steps))


def _ahead(state: TopicState) -> tuple[Answer, PredictionIntervals]:
    """The topic's answer and its prediction intervals; NotReadyError for a model that has none."""
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


ROUTE: Final = Route(
    "/forecast/<token>",
    "forecast",
    "the way to the horizon in n steps, with intervals",
    show_forecast,
    {JSON: PathShown},
    path_parameters=(TOKEN,),
    query=(TOPIC, STEPS),
    errors=TOPIC_ERRORS,
    tag="answers",
)
