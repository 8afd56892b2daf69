"""The worker's Prometheus metrics, and its one line in the log per window."""

from __future__ import annotations

import contextlib
import math
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from worker.outcomes import ACCEPTED, ALREADY_SUBMITTED, DRY_RUN, STOPPED, Outcome
from worker.unit_guard import Comparison

log = structlog.get_logger("worker")

LOW_BALANCE: Final = 100_000_000
"""uallo: what the network's own package calls low."""

_WORDS: Final = {
    ACCEPTED: "submitted",
    DRY_RUN: "dry run, would be submitted",
    ALREADY_SUBMITTED: "submitted before",
}


class Metrics:
    """The worker's metrics and its one line per window; docs/metrics.md lists all. Labels are topic numbers and words of ours."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.submissions = Counter(
            "allora_worker_submissions_total", "Windows by how they ended", ["topic", "outcome"], registry=registry
        )
        self.failed_in_a_row = Gauge(
            "allora_worker_failed_in_a_row", "Windows without our answer since the last one with it", ["topic"], registry=registry
        )
        self.latency = Histogram(
            "allora_worker_acceptance_seconds",
            "From learning of a window to the answer's block",
            buckets=(0.5, 1, 2, 4, 8, 15, 30, 60, 120),
            registry=registry,
        )
        self.height = Gauge("allora_worker_chain_height", "Newest block seen", registry=registry)
        self.balance = Gauge("allora_worker_balance_uallo", "The wallet's balance; NaN until it is known", registry=registry)
        self.forget_balance()
        self.low_balance = Gauge("allora_worker_low_balance_uallo", "Below this the balance is low", registry=registry)
        self.low_balance.set(LOW_BALANCE)
        self.chain = Counter(
            "allora_worker_chain_troubles_total", "Losses of the chain's node by reason", ["reason"], registry=registry
        )
        self.connected = Gauge("allora_worker_chain_connected", "1 if the chain's node answers", registry=registry)
        self.nonce_times = Counter(
            "allora_worker_nonce_times_total",
            "Times of nonces by the way they were learnt: header, estimate",
            ["way"],
            registry=registry,
        )
        self.answer = Gauge(
            "allora_worker_answer", "Our newest answer that was compared with the network's", ["topic"], registry=registry
        )
        self.network_median = Gauge(
            "allora_worker_network_median", "Middle of what the network's other workers last said", ["topic"], registry=registry
        )
        self.network_others = Gauge(
            "allora_worker_network_others", "Other workers that answered the topic", ["topic"], registry=registry
        )
        self.network_ratio = Gauge(
            "allora_worker_network_ratio",
            "Our answer over the network's median; left out where it says nothing",
            ["topic"],
            registry=registry,
        )
        self.unit_suspected = Gauge(
            "allora_worker_unit_suspected", "1 if our answers and the network's look like two units", ["topic"], registry=registry
        )
        self.task_failures = Counter(
            "allora_worker_task_failures_total", "Tasks of the worker that failed and were started again", registry=registry
        )
        self.topic_ready = Gauge("allora_worker_topic_ready", "1 if the topic can be answered", ["topic"], registry=registry)

    def record(self, outcome: Outcome, seconds: float | None = None) -> None:
        """Count the outcome and log its line."""
        topic = str(outcome.topic)
        self.submissions.labels(topic, outcome.name).inc()
        if outcome.is_good:
            self.failed_in_a_row.labels(topic).set(0)
        elif outcome.name != STOPPED:
            self.failed_in_a_row.labels(topic).inc()
        if outcome.name == ACCEPTED and seconds is not None:
            self.latency.observe(seconds)
        known = {
            "value": outcome.value, "transaction": outcome.transaction, "nonce_time": outcome.nonce_time, "reason": outcome.reason
        }  # fmt: skip
        shown = {name: value for name, value in known.items() if value not in {None, ""}}
        tell = log.info if outcome.is_good or outcome.name == STOPPED else log.warning
        tell(_WORDS.get(outcome.name, "not submitted"), topic=outcome.topic, block=outcome.nonce, outcome=outcome.name, **shown)

    def compared(self, topic: int, found: Comparison) -> None:
        """Show how an answer compares with the network's."""
        name = str(topic)
        self.answer.labels(name).set(found.value)
        self.network_others.labels(name).set(found.others)
        self.unit_suspected.labels(name).set(found.is_said)
        for gauge, number in ((self.network_median, found.median), (self.network_ratio, found.ratio)):
            _set_or_remove(gauge, name, None if found.unknown else number)

    def forget_balance(self) -> None:
        """Another wallet, or none: what the last one had says nothing."""
        self.balance.set(math.nan)

    def forget_topic(self, topic: int) -> None:
        """A topic that is followed no more is in no trouble any more; what was counted of it stays."""
        compared = (self.answer, self.network_median, self.network_others, self.network_ratio, self.unit_suspected)
        for gauge in (self.failed_in_a_row, self.topic_ready, *compared):
            _set_or_remove(gauge, str(topic), None)


def _set_or_remove(gauge: Gauge, topic: str, number: float | None) -> None:
    """A figure that does not exist is left out."""
    if number is not None:
        gauge.labels(topic).set(number)
        return
    with contextlib.suppress(KeyError):
        gauge.remove(topic)
