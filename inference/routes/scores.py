"""GET /scores: the scores of the answers that were given, topic by topic and version by version."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias, get_args, get_type_hints

from flask import Response, jsonify
from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from forecasting.evaluation.scores import Scores
from forecasting.live.live_scores import rolling_ms
from inference.answers.score_board import RecentSubmission, TopicScores
from inference.routes.context import Context
from inference.routes.route import JSON, Route
from inference.routes.schemas import Milliseconds, Moment, Span, TopicName, Version, text_field
from node.durations import Duration
from node.timestamps import utc_text
from node.topics import Topic


def _figures() -> dict[str, Any]:
    """The schema of `LiveScore.to_dict`, where null is a figure that does not exist."""
    names = {int: "integer", float: "number", str: "string"}
    figures = {name: (get_args(kind) or (kind,))[0] for name, kind in get_type_hints(Scores).items()}
    kinds = {"version": str, "first_ms": int, "last_ms": int} | figures
    return {
        "type": "object",
        "properties": {name: {"type": [names[kind], "null"]} for name, kind in kinds.items()},
        "required": list(kinds),
        "additionalProperties": False,
    }


Figures: TypeAlias = Annotated[dict[str, Any], WithJsonSchema(_figures())]


class RollingShown(TypedDict):
    """Skill over time, as two columns."""

    open_time: list[Milliseconds]
    skill: list[float]


class SubmissionShown(TypedDict):
    """An answer that the worker took to submit for a nonce, and its outcome, in the network's unit; null while nobody knows."""

    base: Moment
    end: Moment
    asked: Moment
    version: Version
    value: float
    baseline: float | None
    actual: float | None
    log10_loss: float | None
    accepted: bool | None


class TopicScored(TopicName):
    """The scores of a topic's answers: of those that were submitted (basis), or, while there are none, of all of them."""

    loss: str
    scored: Moment | None
    since: Moment | None
    answers: int
    submissions: int
    basis: Annotated[str, text_field("What the figures are of.", "submissions", enum=["submissions", "answers"])]
    overall: Figures | None
    versions: list[Figures]
    rolling_over: Span
    rolling: RollingShown
    recent: list[SubmissionShown]


def show_scores(context: Context) -> Response:
    """The newest scores of every topic, in the order of config.json."""
    scores, states = context.scores.current, context.current.snapshot.states
    return jsonify([_show(state.topic, scores.get(state.topic.id)) for state in states])


def _show(topic: Topic, found: TopicScores | None) -> TopicScored:
    overall = found.overall if found else None
    rolling = overall.rolling if overall else ()
    basis: Literal["submissions", "answers"] = "submissions" if found and found.submitted else "answers"
    return {
        "topic_id": topic.id,
        "token": topic.token,
        "target": topic.task.target.value,
        "horizon": str(topic.task.horizon),
        "loss": topic.loss,
        "scored": utc_text(found.scored_ms) if found else None,
        "since": utc_text(found.since_ms) if found else None,
        "answers": found.answers if found else 0,
        "submissions": found.submissions if found else 0,
        "basis": basis,
        "overall": overall.to_dict() if overall else None,
        "versions": [score.to_dict() for score in found.live[1:]] if found else [],
        "rolling_over": str(Duration(rolling_ms(topic.task))),
        "rolling": {"open_time": [point.time_ms for point in rolling], "skill": [point.skill for point in rolling]},
        "recent": [_show_submission(submission) for submission in found.recent] if found else [],
    }


def _show_submission(submission: RecentSubmission) -> SubmissionShown:
    return {
        "base": utc_text(submission.base_ms),
        "end": utc_text(submission.end_ms),
        "asked": utc_text(submission.asked_ms),
        "version": submission.version,
        "value": submission.value,
        "baseline": submission.baseline,
        "actual": submission.actual,
        "log10_loss": submission.log10_loss,
        "accepted": submission.accepted,
    }


ROUTE: Final = Route(
    "/scores",
    "scores",
    "how good the answers given were, by topic and by version",
    show_scores,
    {JSON: list[TopicScored]},
)
