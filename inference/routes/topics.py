"""GET /topics: every topic, with its answer and its model, or why there is none."""

from __future__ import annotations

from typing import Final

from flask import Response, jsonify

from inference.answers.snapshot import Answer, TopicState
from inference.routes.context import Context
from inference.routes.route import JSON, Route
from inference.routes.schemas import BarLength, Decimal, Moment, TopicName, Version
from node.durations import SECOND_MS
from node.timestamps import utc_text


class TopicShown(TopicName):
    """A topic: its answer, or why there is none."""

    interval: BarLength
    model: str
    loss: str
    ready: bool
    reason: str
    hint: str
    overdue_since: Moment | None
    answer: Decimal | None
    made_from: Moment | None
    age_seconds: float | None
    expires: Moment | None
    champion: Version | None
    skill: float | None
    asked: Moment | None
    endpoint: str


def show_topics(context: Context) -> Response:
    """All topics in the order of config.json."""
    now_ms, current = context.clock.now_ms(), context.current
    return jsonify([show_topic(state, now_ms, current.asked.get(state.topic.id)) for state in current.snapshot.states])


def show_topic(state: TopicState, now_ms: int, asked_ms: int | None) -> TopicShown:
    """One topic as /topics shows it. `asked_ms` is when the worker last asked for it."""
    topic, task, refusal, overdue = state.topic, state.topic.task, state.refusal(now_ms), state.overdue_since(now_ms)
    answer = state.outcome if isinstance(state.outcome, Answer) else None
    return {
        "topic_id": topic.id,
        "token": task.token,
        "target": task.target.value,
        "horizon": str(task.horizon),
        "interval": task.interval.value,
        "model": topic.model,
        "loss": topic.loss,
        "ready": refusal is None,
        "reason": refusal.message if refusal else "",
        "hint": refusal.hint if refusal else "",
        "overdue_since": utc_text(overdue) if overdue is not None else None,
        "answer": answer.body.decode("ascii") if answer and refusal is None else None,
        "made_from": utc_text(answer.made_from) if answer else None,
        "age_seconds": (now_ms - answer.made_from - task.interval.ms) / SECOND_MS if answer else None,
        "expires": utc_text(state.freshness.expires_ms) if answer else None,
        "champion": state.champion.version if state.champion else None,
        "skill": state.champion.skill if state.champion else None,
        "asked": utc_text(asked_ms) if asked_ms is not None else None,
        "endpoint": f"/inference/{task.token}?topic={topic.id}",
    }


ROUTE: Final = Route(
    "/topics",
    "topics",
    "every topic: its answer, its model, or why there is none",
    show_topics,
    {JSON: list[TopicShown]},
)
