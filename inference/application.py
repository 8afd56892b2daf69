"""The Flask application. Everything it needs is passed in, so that tests build it with their own clock, snapshot and store."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from flask import Flask, Response, g, request

from forecasting.live.submissions import TakenAnswer
from inference.answers.collectors import ScoreCollector, TopicCollector
from inference.answers.score_board import ScoreBoard
from inference.answers.snapshot import CurrentSnapshot
from inference.answers.watcher import MarketData
from inference.http.errors import register_error_answers
from inference.http.headers import register_headers
from inference.metrics import InferenceMetrics
from inference.routes import candles, dashboard, forecast, health, inference, models, openapi, scores, topics, updater
from inference.routes.context import Context
from inference.routes.route import Route, list_routes, register_routes
from model_store.store import ModelStore
from node.clock import Clock

ROUTES: Final[tuple[Route, ...]] = (
    inference.ROUTE,
    forecast.ROUTE,
    candles.ROUTE,
    topics.ROUTE,
    models.ROUTE,
    scores.ROUTE,
    updater.ROUTE,
    health.LIVE,
    health.READY,
    health.METRICS,
    openapi.ROUTE,
    dashboard.PAGE,
    dashboard.FILE,
    dashboard.LIBRARY,
)


def create_app(
    *,
    current: CurrentSnapshot,
    store: ModelStore,
    clock: Clock,
    metrics: InferenceMetrics,
    ended: Callable[[], str] = lambda: "",
    hung_for_ms: Callable[[], int | None] = lambda: None,
    market_data: Callable[[], MarketData | None] = lambda: None,
    score_board: ScoreBoard | None = None,
    on_taken: Callable[[TakenAnswer], None] = lambda _: None,
    on_accepted: Callable[[int, int], None] = lambda _topic, _base_ms: None,
) -> Flask:
    """The application over `current`; `Context` describes the other arguments."""
    app = Flask("inference", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    board = score_board or ScoreBoard()
    metrics.registry.register(TopicCollector(current, clock))
    metrics.registry.register(ScoreCollector(board))
    dashboard.load_page()
    context = Context(
        current=current,
        models=models.ModelListing(store),
        scores=board,
        clock=clock,
        registry=metrics.registry,
        market_data=market_data,
        ended=ended,
        hung_for_ms=hung_for_ms,
        on_taken=on_taken,
        on_accepted=on_accepted,
        index=list_routes(ROUTES),
        openapi=openapi.write_document(ROUTES),
    )
    register_routes(app, ROUTES, context)
    register_error_answers(app)
    register_headers(app)
    _count_requests(app, metrics)
    return app


def _count_requests(app: Flask, metrics: InferenceMetrics) -> None:
    """Count and time every request under its route's name, never under its path: paths are the client's to choose."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        route = request.endpoint or "none"
        metrics.requests.labels(route, response.status_code).inc()
        metrics.request_seconds.labels(route).observe(time.perf_counter() - g.started)
        return response
