"""Watcher and application wired together over what the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from flask import Flask
from sqlalchemy import Engine

from forecasting.live.ledger import Ledger
from inference.answers.ledger_writer import LedgerWriter
from inference.answers.score_board import ScoreBoard
from inference.answers.snapshot import CurrentSnapshot
from inference.answers.watcher import MarketData, Watcher
from inference.application import create_app
from inference.metrics import InferenceMetrics
from market.candle_store import CandleStore
from model_store.store import ModelStore
from node.clock import Clock, SystemClock
from node.config import ConfigFile
from node.database import Heartbeats, open_database
from node.environment import Settings

log = structlog.get_logger(__name__)


class InferenceService:
    """Lives in the process that serves; made after the fork."""

    def __init__(self, settings: Settings, config: ConfigFile, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._current = CurrentSnapshot()
        self._models = ModelStore(settings.model_store, self._clock)
        self._metrics = InferenceMetrics()
        self._scores = ScoreBoard()
        self._engines: list[Engine] = []
        self._ledger_writer = LedgerWriter(
            open_ledger=self._open_ledger,
            current=self._current,
            scores=self._scores,
            clock=self._clock,
            metrics=self._metrics,
        )
        self._watcher = Watcher(
            config=config,
            inference_url=settings.inference_url,
            open_data=self._open_data,
            models=self._models,
            current=self._current,
            clock=self._clock,
            metrics=self._metrics,
            on_snapshot=self._ledger_writer.queue_answers,
        )

    def start(self) -> Flask:
        """Start the watcher; the application."""
        self._watcher.start()
        self._ledger_writer.start()
        log.info("inference started", host=self._settings.inference_host, port=self._settings.inference_port)
        return create_app(
            current=self._current,
            store=self._models,
            clock=self._clock,
            metrics=self._metrics,
            ended=self.ended,
            hung_for_ms=self._watcher.hung_for_ms,
            market_data=lambda: self._watcher.data,
            score_board=self._scores,
            on_taken=self._ledger_writer.queue_taken,
            on_accepted=self._ledger_writer.queue_accepted,
        )

    def ended(self) -> str:
        """Names of the loops that have ended though they should run, empty if none has."""
        loops = {"watcher": self._watcher.alive, "ledger": self._ledger_writer.alive}
        return ", ".join(name for name, alive in loops.items() if not alive)

    def stop(self) -> None:
        """Stop the watcher, then the ledger's writer, and give the database back."""
        self._watcher.stop()
        self._ledger_writer.stop()
        for engine in self._engines:
            engine.dispose()

    def _open_data(self) -> MarketData:
        with self._database() as engine:
            return MarketData(CandleStore(engine), Heartbeats(engine), Ledger(engine))

    def _open_ledger(self) -> Ledger:
        with self._database() as engine:
            return Ledger(engine)

    @contextmanager
    def _database(self) -> Iterator[Engine]:
        """Kept open until `stop`. What could not be set up is tried again for as long as it takes, so it gives back what it had."""
        engine = open_database(self._settings.database_url)
        try:
            yield engine
        except BaseException:
            engine.dispose()
            raise
        self._engines.append(engine)
