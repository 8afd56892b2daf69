"""Metrics that are read at the moment of the scrape, so that they stay true when a loop of inference hangs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from inference.answers.score_board import ScoreBoard
from inference.answers.snapshot import Answer, CurrentSnapshot
from node.clock import Clock
from node.durations import SECOND_MS

SCORE_GAUGES: Final = {
    "skill": ("live_skill", "Skill of the answers given, against the baseline: 1 - loss / baseline loss."),
    "coverage_90": ("live_coverage_90", "Part of the truths inside the answers' intervals of 90 percent."),
    "directional_accuracy": ("live_directional_accuracy", "Part of the answers that had the direction right."),
    "loss": ("live_loss", "The topic's loss of the answers given."),
    "log10_loss": ("live_log10_loss", "Mean logarithm of the topic's loss of the answers given, as the chain scores it."),
    "n": ("live_judged", "Answers whose truth is known."),
}
"""Name and meaning of a gauge for each field of `Scores` that has one."""


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
            overdue_ms = state.freshness.overdue_ms(now)
            if overdue_ms is not None:
                overdue.add_metric(topic, overdue_ms / SECOND_MS)
            loaded.add_metric(topic, float(state.champion is not None))
            if state.champion is not None:
                created.add_metric(topic, state.champion.created_ms / SECOND_MS)
                if state.champion.skill is not None:
                    skill.add_metric(topic, state.champion.skill)
        yield from (ready, age, overdue, loaded, created, skill)


class ScoreCollector(Collector):
    """Live figures of every topic, read at the moment of the scrape; those that do not exist are left out."""

    def __init__(self, scored: ScoreBoard) -> None:
        self._scored = scored

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for field, (name, meaning) in SCORE_GAUGES.items():
            family = GaugeMetricFamily(f"allora_inference_{name}", meaning, labels=["topic"])
            for number, found in self._scored.current.items():
                value = getattr(found.overall.scores, field) if found.overall else None
                if value is not None:
                    family.add_metric([str(number)], value)
            yield family
