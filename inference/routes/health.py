"""GET /health/live, /health/ready and /metrics, for whoever watches the node. None of it asks anything outside the process."""

from __future__ import annotations

from typing import Annotated, Final

from flask import Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from typing_extensions import TypedDict

from inference.routes.context import Context
from inference.routes.route import JSON, TEXT, Route
from inference.routes.schemas import text_field
from node.durations import SECOND_MS
from node.health import LIVE_PATH, METRICS_PATH, READY_PATH, Check, live_report, report


class LiveShown(TypedDict):
    """Whether the process works."""

    status: str


class CheckShown(TypedDict):
    """One thing that is well or not, and what to do about it."""

    name: str
    ok: bool
    detail: str
    hint: str


class ReadyShown(TypedDict):
    """Whether every topic has a fresh answer, and which has not."""

    status: Annotated[str, text_field("In two words.", "ready", enum=["ready", "not ready"])]
    checks: list[CheckShown]


def show_live(context: Context) -> tuple[Response, int]:
    """Whether every loop that should run does."""
    status, body = live_report(context.ended())
    return jsonify(body), status


def show_ready(context: Context) -> tuple[Response, int]:
    """Whether every topic has a fresh answer, as named checks."""
    status, body = report([_check_watcher(context), *_check_topics(context)])
    return jsonify(body), status


def show_metrics(context: Context) -> Response:
    """All metrics as Prometheus reads them."""
    return Response(generate_latest(context.registry), content_type=CONTENT_TYPE_LATEST)


def _check_watcher(context: Context) -> Check:
    hung_ms = context.hung_for_ms()
    if hung_ms is None:
        return Check("watcher", True)
    detail = f"candles and models were last looked at {hung_ms // SECOND_MS} s ago"
    return Check("watcher", False, detail, "The log of inference says why.")


def _check_topics(context: Context) -> list[Check]:
    now_ms = context.clock.now_ms()
    checks = []
    for state in context.current.snapshot.states:
        refusal = state.refusal(now_ms)
        name = f"topic {state.topic.id}"
        checks.append(Check(name, False, refusal.message, refusal.hint) if refusal else Check(name, True))
    return checks


LIVE: Final = Route(
    LIVE_PATH,
    "live",
    "whether the process works",
    show_live,
    {JSON: LiveShown},
    unhealthy_content=LiveShown,
    tag="health",
)
READY: Final = Route(
    READY_PATH,
    "ready",
    "whether every topic has a fresh answer, and which has not",
    show_ready,
    {JSON: ReadyShown},
    unhealthy_content=ReadyShown,
    tag="health",
)
METRICS: Final = Route(METRICS_PATH, "metrics", "for Prometheus", show_metrics, {TEXT: str}, tag="health")
