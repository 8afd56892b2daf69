"""What the updater counts. Labels are bounded by config.json: symbols, intervals and topic numbers; docs/metrics.md lists all."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from node.errors import MarketError
from node.metrics import open_registry


class UpdaterMetrics:
    """Everything the updater counts, on a registry of its own; `updater.collectors` adds what is looked up at each scrape."""

    def __init__(self) -> None:
        self.registry = open_registry("updater")
        self.candles_stored = Counter(
            "allora_updater_candles_stored_total", "Candles written to the store.", ["symbol", "interval"], registry=self.registry
        )
        self.gaps = Gauge(
            "allora_updater_holes", "Stretches of history not yet filled.", ["symbol", "interval"], registry=self.registry
        )
        self.market_errors = Counter(
            "allora_updater_market_errors_total", "Failed attempts to fetch candles, by error.", ["code"], registry=self.registry
        )
        # Zeros from the start: of a series that begins at one, Prometheus does not see the first increase.
        kinds: list[type[MarketError]] = [MarketError, *MarketError.__subclasses__()]
        for kind in kinds:
            self.market_errors.labels(kind.code)
        self.trainings = Counter(
            "allora_updater_trainings_total",
            "Trainings by outcome: promoted, refused or failed.",
            ["topic", "outcome"],
            registry=self.registry,
        )
        self.actions = Counter(
            "allora_updater_remedies_total",
            "What was done about live skill below the floor: retrained or rolled back.",
            ["topic", "remedy"],
            registry=self.registry,
        )
        self.training_seconds = Histogram(
            "allora_updater_training_seconds",
            "Time one training took.",
            buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300),
            registry=self.registry,
        )
