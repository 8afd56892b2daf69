"""The routes: answers for the worker, lists for people, health and metrics for whoever watches the node."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from forecasting.live.submissions import TakenAnswer
from inference.answers.nonce_time import MAX_DIGITS, answer_for, asked_interval
from inference.answers.snapshot import Answer, CurrentSnapshot, TopicState
from inference.routes.models import ModelListing
from inference.routes.schemas import TopicShown
from node.clock import Clock
from node.durations import SECOND_MS
from node.health import LIVE_PATH, METRICS_PATH, READY_PATH, Check, live_report, report
from node.timestamps import utc_text
from node.topics import ACCEPTED_HEADER, WORKER_AGENT
from node.truth import base_time


def answers(
    current: CurrentSnapshot, clock: Clock, take: Callable[[TakenAnswer], None], accept: Callable[[int, int], None]
) -> Blueprint:
    """GET /inference/<token>: a bare decimal. Everything was computed beforehand but whether it is still right to serve, and what
    is known of the interval that is asked about. `take` is told what the worker was given, `accept` what the chain took of it."""
    routes = Blueprint("answers", __name__)

    @routes.get("/inference/<token>")
    def inference(token: str) -> Response:
        is_worker = request.environ.get("HTTP_USER_AGENT") == WORKER_AGENT
        served = current.snapshot.find(token, request.args.get("topic"), ambiguous=not is_worker)
        state, now_ms = served.state, clock.now_ms()
        if is_worker:
            current.asked[state.topic.id] = now_ms
            _note_accepted(state.topic.id, accept)
        if served.body is None or now_ms > served.expires_ms:
            refusal = state.refusal(now_ms)
            if refusal is not None:
                raise refusal
        body, nonce_time = served.body, request.args.get("nonce_time")
        if nonce_time is not None and isinstance(state.outcome, Answer):
            asked = asked_interval(state, nonce_time, now_ms)
            value, body = answer_for(state, state.outcome, asked)
            if is_worker:
                made = state.outcome
                take(TakenAnswer(state.topic.id, asked, now_ms, made.version, value, made.forecast.scale))
        return Response(body, content_type="text/plain; charset=utf-8")

    return routes


def _note_accepted(topic_id: int, accept: Callable[[int, int], None]) -> None:
    """The worker says with its next request which nonce time the chain accepted last; what is no moment is no news."""
    said = request.headers.get(ACCEPTED_HEADER, "")
    if said.isascii() and said.isdigit() and len(said) <= MAX_DIGITS:
        accept(topic_id, base_time(int(said)))


def lists(current: CurrentSnapshot, models: ModelListing, clock: Clock) -> Blueprint:
    """GET /topics and /models: what is configured, which version is champion and why."""
    routes = Blueprint("lists", __name__)

    @routes.get("/topics")
    def topics() -> Response:
        now_ms = clock.now_ms()
        return jsonify([show_topic(state, now_ms, current.asked.get(state.topic.id)) for state in current.snapshot.states])

    @routes.get("/models", endpoint="models")
    def list_models() -> Response:
        return jsonify(models.show(current.snapshot))

    return routes


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
        "expires": utc_text(state.expires_ms) if answer else None,
        "champion": state.champion.version if state.champion else None,
        "skill": state.champion.skill if state.champion else None,
        "asked": utc_text(asked_ms) if asked_ms is not None else None,
        "endpoint": f"/inference/{task.token}?topic={topic.id}",
    }


def health(checks: Callable[[], Sequence[Check]], ended: Callable[[], str], registry: CollectorRegistry) -> Blueprint:
    """Liveness, readiness by named checks, and metrics. None of it asks anything outside the process."""
    routes = Blueprint("health", __name__)

    @routes.get(LIVE_PATH)
    def live() -> tuple[Response, int]:
        status, body = live_report(ended())
        return jsonify(body), status

    @routes.get(READY_PATH)
    def ready() -> tuple[Response, int]:
        status, body = report(checks())
        return jsonify(body), status

    @routes.get(METRICS_PATH)
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return routes
