"""The counters and timers of inference; docs/metrics.md lists all. answers/collectors.py has what is read at each scrape.

Labels are bounded: names of routes, HTTP statuses, and the topics of config.json.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from node.metrics import open_registry

SUB_MILLISECOND_BUCKETS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0)


class InferenceMetrics:
    """All counters of inference, on a registry of its own so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = open_registry("inference")
        self.requests = Counter(
            "allora_inference_requests_total", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "allora_inference_request_seconds",
            "Time from the request's arrival in the application to its answer.",
            ["route"],
            buckets=SUB_MILLISECOND_BUCKETS,
            registry=self.registry,
        )
        self.round_seconds = Histogram(
            "allora_inference_round_seconds",
            "Time of one look at candles, champions and config, with what had to be computed.",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0),
            registry=self.registry,
        )
        self.failed_rounds = Counter("allora_inference_failed_rounds_total", "Looks that failed.", registry=self.registry)
        self.swaps = Counter("allora_inference_snapshots_total", "Snapshots put in force.", registry=self.registry)
        self.ledger_written = Counter(
            "allora_inference_ledger_written_total", "Answers written into the ledger.", registry=self.registry
        )
        self.ledger_waiting = Gauge(
            "allora_inference_ledger_waiting", "Answers not yet written into the ledger.", registry=self.registry
        )
        self.ledger_lost = Counter(
            "allora_inference_ledger_lost_total",
            "Answers given up because the database could not be written for too long.",
            registry=self.registry,
        )
        self.ledger_failures = Counter(
            "allora_inference_ledger_failures_total",
            "Failed attempts to write into the ledger or to score it.",
            registry=self.registry,
        )
        self.last_round = Gauge(
            "allora_inference_last_round_timestamp_seconds", "When the watcher last looked.", registry=self.registry
        )
