"""Metrics of the worker. Labels are bounded by config.json and by the outcomes named here."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge


class Outcome(StrEnum):
    """How a submission window ended."""

    ACCEPTED = "accepted"
    DRY_RUN = "dry_run"
    ALREADY_SUBMITTED = "already_submitted"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    CHAIN_LOST = "chain_lost"


class WorkerMetrics:
    """Everything the worker counts, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.submissions = Counter(
            "allora_worker_submissions_total", "Submission windows by how they ended.", ["topic", "outcome"], registry=self.registry
        )
        self.balance = Gauge("allora_worker_balance_uallo", "The wallet's balance.", registry=self.registry)
        self.chain_up = Gauge("allora_worker_chain_up", "1 while the chain's node answers.", registry=self.registry)
