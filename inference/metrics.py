"""Metrics of inference; docs/metrics.md lists all.

Labels are bounded: names of routes, HTTP statuses, and the topics of config.json.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from inference.answers.snapshot import Answer, CurrentSnapshot
from node.clock import Clock
from node.durations import SECOND_MS
from node.metrics import open_registry

SUB_MILLISECOND_BUCKETS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0)


class InferenceMetrics:
    """Everything inference counts, on a registry of its own so that several can live in one process."""

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


class TopicCollector(Collector):
    """Every topic's answer, candles and champion, read from the snapshot at the moment of the scrape."""

    def __init__(self, current: CurrentSnapshot, clock: Clock) -> None:
        self._current = current
        self._clock = clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        ready = GaugeMetricFamily("allora_inference_topic_ready", "1 if a number is served.", labels=["topic"])
        age = GaugeMetricFamily(
            "allora_inference_answer_age_seconds", "Time since the newest bar behind the answer closed.", labels=["topic"]
        )
        skill = GaugeMetricFamily(
            "allora_inference_champion_skill", "Skill of the model in use when it was judged.", labels=["topic"]
        )
        overdue = GaugeMetricFamily(
            "allora_inference_candle_overdue_seconds",
            "Time since the next candle that the topic reads closed; left out before there is any.",
            labels=["topic"],
        )
        loaded = GaugeMetricFamily("allora_inference_champion_loaded", "1 if a verified model is in use.", labels=["topic"])
        created = GaugeMetricFamily(
            "allora_inference_champion_created_timestamp_seconds", "When the model in use was made.", labels=["topic"]
        )
        now = self._clock.now_ms()
        for state in self._current.snapshot.states:
            topic = [str(state.topic.id)]
            ready.add_metric(topic, float(state.refusal(now) is None))
            if isinstance(state.outcome, Answer):
                closed = state.outcome.made_from + state.topic.task.interval.ms
                age.add_metric(topic, (now - closed) / SECOND_MS)
            if all(source.newest is not None for source in state.sources):
                due = min(source.next_close_ms for source in state.sources)
                overdue.add_metric(topic, max(0, now - due) / SECOND_MS)
            loaded.add_metric(topic, float(state.champion is not None))
            if state.champion is not None:
                created.add_metric(topic, state.champion.created_ms / SECOND_MS)
                if state.champion.skill is not None:
                    skill.add_metric(topic, state.champion.skill)
        yield from (ready, age, overdue, loaded, created, skill)
