"""One task's champion and its newest forecast. Computes again only when the champion or a candle has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import structlog
from sqlalchemy.exc import SQLAlchemyError

from forecasting.dataset.bars import beside
from forecasting.dataset.signature import Signature
from forecasting.prediction.composition import Prices
from forecasting.prediction.conformal import Intervals
from forecasting.prediction.forecast import Forecast, bars_needed, forecast
from forecasting.prediction.recent_residuals import RecentResiduals
from inference.answers.freshness import Source
from inference.answers.nonce_time import PRICE_MINUTES
from inference.answers.snapshot import Answer, Champion, PredictionIntervals, Problem
from market.candle_store import CandleStore
from model_store.store import ModelStore, Version
from node.decimal_text import decimal_text
from node.durations import QUOTE_INTERVAL, SECOND_MS, Interval
from node.errors import ForecastError, ModelStoreError, NoChampionError, NodeError
from node.topics import Target, Task, symbol_of

log = structlog.get_logger(__name__)

RETRY_MS = 10 * SECOND_MS
"""Pause between two attempts to load a champion that could not be loaded, or that another version stands in for."""


@dataclass(frozen=True, slots=True)
class _Made:
    """An outcome, and the version and candles it was made from."""

    version: str
    sources: tuple[Source, ...]
    outcome: Answer | Problem


class Forecaster:
    """Keeps the champion of `task` loaded and forecasts with it."""

    def __init__(self, task: Task, store: ModelStore) -> None:
        self.task = task
        self._store = store
        self._version: Version | None = None
        self._pointed: str | None = None
        self._tried_ms: int | None = None
        self._made: _Made | None = None
        self._recent: tuple[str, RecentResiduals] | None = None

    @property
    def champion(self) -> Champion | None:
        """The model in use."""
        if self._version is None:
            return None
        manifest = self._version.manifest
        return Champion(manifest.version, manifest.score("skill"), manifest.created_ms)

    def sources(self, newest: Callable[[str, Interval, int], int | None], now_ms: int) -> tuple[Source, ...]:
        """The candles this task's answers rest on, with the newest of each at `now_ms`, which `newest` tells as the store does: the
        model's bars, those of another token that it reads beside them, and minutes for the prices of intervals that have begun."""
        leader = self._version.manifest.signature.get("leader") if self._version else None
        wanted = {(self.task.symbol, self.task.interval): None}
        if leader is not None:
            wanted[symbol_of(leader), self.task.interval] = None
        wanted[self.task.symbol, QUOTE_INTERVAL] = None
        return tuple(
            Source(symbol, interval, newest(symbol, interval, interval.last_closed(now_ms))) for symbol, interval in wanted
        )

    def follow_champion(self, now_ms: int) -> None:
        """Load the champion if the pointer names another one than before, or if the last attempt did not give the one it names."""
        pointed = self._store.champion_version(self.task)
        as_pointed = self._version is not None and self._version.name == pointed
        if pointed == self._pointed and (as_pointed or self._tried_lately(now_ms)):
            return
        self._pointed, self._tried_ms = pointed, now_ms
        if as_pointed:
            return
        try:
            version = self._store.champion(self.task)
        except (ModelStoreError, OSError) as error:
            if not isinstance(error, NoChampionError):
                log.error("champion could not be loaded", model=str(self.task), error=error)
            self._version = None
            return
        if self._version is None or version.name != self._version.name:
            log.info("serving", model=str(self.task), version=version.name, champion=pointed)
        self._version = version

    def _tried_lately(self, now_ms: int) -> bool:
        return self._tried_ms is not None and 0 <= now_ms - self._tried_ms < RETRY_MS

    def outcome(self, candles: CandleStore, sources: tuple[Source, ...]) -> Answer | Problem | None:
        """The forecast from the newest candles, or why there is none; None while there is no champion."""
        version = self._version
        if version is None:
            return None
        if self._made is None or (self._made.version, self._made.sources) != (version.name, sources):
            self._made = _Made(version.name, sources, self._compute(version, candles, sources))
        return self._made.outcome

    def _compute(self, version: Version, candles: CandleStore, sources: tuple[Source, ...]) -> Answer | Problem:
        try:
            return self._forecast(version, candles, sources)
        except SQLAlchemyError:
            raise
        except NodeError as error:
            log.warning("no answer", model=str(self.task), version=version.name, error=error)
            return Problem(error.message, error.hint)
        except Exception as error:
            # One model that fails must not take the other topics with it.
            log.exception("model failed", model=str(self.task), version=version.name, error=error)
            return Problem(f"version {version.name} failed: {type(error).__name__}", "The log of inference says more.")

    def _forecast(self, version: Version, candles: CandleStore, sources: tuple[Source, ...]) -> Answer:
        newest = {(source.symbol, source.interval): source.newest for source in sources}
        missing = [source for source in sources if source.newest is None]
        if missing:
            raise ForecastError(
                f"there are no {missing[0].interval} candles of {missing[0].symbol} yet", hint="The updater fetches them."
            )
        signature = Signature.from_dict(version.manifest.signature)
        recent = self._recent_errors(version, signature)
        # The model's candles must have closed together: until the later one of two tokens' is there, the one before counts.
        until = min(source.newest for source in sources if source.interval is self.task.interval and source.newest is not None)
        count = recent.bars_wanted(until) if recent else bars_needed(signature)
        bars = candles.last(self.task.symbol, self.task.interval, count, until)
        if signature.leader is not None:
            bars = beside(bars, candles.last(symbol_of(signature.leader), self.task.interval, count, until))
        prices = Prices.of(candles.last(self.task.symbol, QUOTE_INTERVAL, PRICE_MINUTES, newest[self.task.symbol, QUOTE_INTERVAL]))
        made = forecast(version.session, signature, bars, prices.newest if self.task.target is Target.PRICE else None)
        if self.task.target is not Target.LOG_RETURN and not made.value > 0:
            raise ForecastError(f"version {version.name} forecast {made.value}, which no {self.task.target} can be")
        return Answer(
            value=made.value,
            body=decimal_text(made.value).encode("ascii"),
            version=version.name,
            made_from=made.made_from,
            forecast=made,
            prices=prices,
            prediction_intervals=_prediction_intervals(version, signature, made, recent, bars),
        )

    def _recent_errors(self, version: Version, signature: Signature) -> RecentResiduals | None:
        """The residuals of this version's newest forecasts; None for a version without intervals, or with invalid ones."""
        if self._recent is None or self._recent[0] != version.name:
            self._recent = None
            if version.manifest.intervals is None:
                return None
            try:
                intervals = Intervals.from_dict(version.manifest.intervals)
            except ForecastError as error:
                log.warning("no path ahead", model=str(self.task), version=version.name, error=error)
                return None
            self._recent = version.name, RecentResiduals(version.session, signature, intervals)
        return self._recent[1]


def _prediction_intervals(
    version: Version, signature: Signature, made: Forecast, recent: RecentResiduals | None, bars: pd.DataFrame
) -> PredictionIntervals | None:
    """None for a version without intervals, or with some that lead out of what numbers can say: its answer stands all the same."""
    if recent is None:
        return None
    try:
        prediction_intervals = PredictionIntervals(signature, recent.intervals_at(bars), made)
        prediction_intervals.path(1)
    except ForecastError as error:
        log.warning("no path ahead", model=str(signature.task), version=version.name, error=error)
        return None
    return prediction_intervals
