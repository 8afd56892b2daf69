"""Everything that the routes read, passed to them in one object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from forecasting.live.submissions import TakenAnswer
from inference.answers.score_board import ScoreBoard
from inference.answers.snapshot import CurrentSnapshot
from inference.answers.watcher import MarketData
from node.clock import Clock

if TYPE_CHECKING:
    from inference.routes.models import ModelListing


@dataclass(frozen=True, slots=True)
class Context:
    """The state that the watcher and the ledger's writer keep up to date, and the callbacks for what the worker did."""

    current: CurrentSnapshot
    models: ModelListing
    scores: ScoreBoard
    clock: Clock
    registry: CollectorRegistry
    market_data: Callable[[], MarketData | None]
    """The database; None until it could be opened."""
    ended: Callable[[], str]
    """Names of the loops that have ended though they should run, empty if none has."""
    hung_for_ms: Callable[[], int | None]
    """Milliseconds since the watcher last succeeded; None if that is not too long."""
    on_taken: Callable[[TakenAnswer], None]
    """Called with every answer that the worker was given."""
    on_accepted: Callable[[int, int], None]
    """Called with the topic's number and the base time, in milliseconds UTC, of every submission that the chain accepted."""
    index: str
    """The list of routes."""
    openapi: bytes
    """The OpenAPI document."""
