"""The Flask application. Everything it needs is passed in, so that tests build it with their own clock, board and store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from flask import Flask, Response, g, request

from forecasting.live.submissions import TakenAnswer
from inference.answers.score_board import ScoreBoard, ScoreCollector, list_scores
from inference.answers.snapshot import CurrentSnapshot
from inference.answers.watcher import MarketData
from inference.http.errors import register_error_answers
from inference.http.headers import register_headers
from inference.metrics import InferenceMetrics, TopicCollector
from inference.routes import forecast as paths
from inference.routes import topics as routes
from inference.routes.candles import market_view
from inference.routes.dashboard import page
from inference.routes.described import list_of_routes
from inference.routes.models import ModelListing
from inference.routes.openapi import openapi
from model_store.store import ModelStore
from node.clock import Clock
from node.durations import SECOND_MS
from node.health import Check


def create_app(
    *,
    current: CurrentSnapshot,
    models: ModelStore,
    clock: Clock,
    metrics: InferenceMetrics,
    ended: Callable[[], str] = lambda: "",
    hung_for_ms: Callable[[], int | None] = lambda: None,
    data: Callable[[], MarketData | None] = lambda: None,
    scores: ScoreBoard | None = None,
    take: Callable[[TakenAnswer], None] = lambda _: None,
    accept: Callable[[int, int], None] = lambda _topic, _base_ms: None,
) -> Flask:
    """The application over `current`. `ended` names loops that should run and do not, `hung_for_ms` and `data` tell how the watcher
    is and what it reads; `take` is told what the worker was given, `accept` for which topic and base the chain accepted it."""
    app = Flask("inference", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    scored = scores or ScoreBoard()
    metrics.registry.register(TopicCollector(current, clock))
    metrics.registry.register(ScoreCollector(scored))

    def checks() -> Sequence[Check]:
        return [_watcher_check(hung_for_ms()), *_topic_checks(current, clock)]

    app.register_blueprint(routes.answers(current, clock, take, accept))
    app.register_blueprint(paths.paths(current, clock))
    app.register_blueprint(routes.lists(current, ModelListing(models), clock))
    app.register_blueprint(routes.health(checks, ended, metrics.registry))
    app.register_blueprint(list_scores(current, scored))
    app.register_blueprint(market_view(current, data))
    app.register_blueprint(openapi())
    app.register_blueprint(page(list_of_routes()))
    register_error_answers(app)
    register_headers(app)
    _count_requests(app, metrics)
    return app


def _watcher_check(hung_ms: int | None) -> Check:
    if hung_ms is None:
        return Check("watcher", True)
    detail = f"candles and models were last looked at {hung_ms // SECOND_MS} s ago"
    return Check("watcher", False, detail, "The log of inference says why.")


def _topic_checks(current: CurrentSnapshot, clock: Clock) -> list[Check]:
    now_ms = clock.now_ms()
    checks = []
    for state in current.snapshot.states:
        refusal = state.refusal(now_ms)
        name = f"topic {state.topic.id}"
        checks.append(Check(name, False, refusal.message, refusal.hint) if refusal else Check(name, True))
    return checks


def _count_requests(app: Flask, metrics: InferenceMetrics) -> None:
    """Count and time every request under its route's name, never under its path: paths are the client's to choose."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        route = (request.endpoint or "none").rpartition(".")[2]
        metrics.requests.labels(route, response.status_code).inc()
        metrics.request_seconds.labels(route).observe(time.perf_counter() - g.started)
        return response
