"""Metrics of the updater. Labels are bounded by config.json: symbols, intervals and topic numbers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class UpdaterMetrics:
    """Everything the updater counts, on a registry of its own so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.candles_stored = Counter(
            "allora_updater_candles_stored_total", "Candles written to the store.", ["symbol", "interval"], registry=self.registry
        )
        self.newest_candle = Gauge(
            "allora_updater_newest_candle_timestamp_seconds",
            "Open time of the newest closed candle.",
            ["symbol", "interval"],
            registry=self.registry,
        )
        self.holes = Gauge(
            "allora_updater_holes", "Stretches of history not yet filled.", ["symbol", "interval"], registry=self.registry
        )
        self.market_errors = Counter(
            "allora_updater_market_errors_total", "Failed attempts to fetch candles.", ["code"], registry=self.registry
        )
        self.trainings = Counter(
            "allora_updater_trainings_total",
            "Trainings by outcome: promoted, refused or failed.",
            ["topic", "outcome"],
            registry=self.registry,
        )
        self.training_seconds = Histogram(
            "allora_updater_training_seconds",
            "Time one training took.",
            buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300),
            registry=self.registry,
        )
        self.champion_skill = Gauge(
            "allora_updater_champion_skill",
            "Skill of the champion against the baseline when it was promoted: 1 - loss / baseline loss.",
            ["topic"],
            registry=self.registry,
        )
