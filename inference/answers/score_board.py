"""The scores of the answers that were given, topic by topic and version by version, ready to be shown."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from forecasting.live.ledger import Ledger
from forecasting.live.live_scores import LiveScore, live_scores, shown_ms, submitted_losses, submitted_scores
from node.durations import DAY_MS
from node.topics import Topic

RECENT_MS: Final = DAY_MS
MAX_RECENT_SUBMISSIONS: Final = 20
"""As many are shown one by one."""


@dataclass(frozen=True, slots=True)
class RecentSubmission:
    """An answer that the worker took to submit, and what came of it, in the network's unit; None as long as nobody knows."""

    base_ms: int
    end_ms: int
    asked_ms: int
    version: str
    value: float
    baseline: float | None
    actual: float | None
    log10_loss: float | None
    accepted: bool | None


@dataclass(frozen=True, slots=True)
class TopicScores:
    """The count of a topic's answers since `since_ms`, and the scores of those whose truth is known.

    `scores` are of the answers that were servable, `submitted` of those that the worker took, of which `recent` are the newest.
    """

    topic: Topic
    since_ms: int
    scored_ms: int
    answers: int
    scores: tuple[LiveScore, ...]
    submissions: int = 0
    submitted: tuple[LiveScore, ...] = ()
    recent: tuple[RecentSubmission, ...] = ()

    @property
    def live(self) -> tuple[LiveScore, ...]:
        """Of submissions where any was judged, for these are paid; of all answers otherwise."""
        return self.submitted or self.scores

    @property
    def overall(self) -> LiveScore | None:
        """All versions together; None while nothing is known."""
        return self.live[0] if self.live else None


def score_topic(ledger: Ledger, topic: Topic, now_ms: int) -> TopicScores:
    """The scores of a topic as /scores shows them."""
    since_ms = now_ms - shown_ms(topic.task)
    return TopicScores(
        topic=topic,
        since_ms=since_ms,
        scored_ms=now_ms,
        answers=ledger.count(topic.id, since_ms=since_ms),
        scores=tuple(live_scores(ledger, topic, since_ms=since_ms)),
        submissions=ledger.submissions.count(topic.id, since_ms=since_ms),
        submitted=tuple(submitted_scores(ledger, topic, since_ms=since_ms)),
        recent=_recent(ledger, topic, now_ms),
    )


def _recent(ledger: Ledger, topic: Topic, now_ms: int) -> tuple[RecentSubmission, ...]:
    """The newest submissions, newest first: as many as fit a list on a page, and as far back as their truth is worth showing."""
    since_ms = now_ms - topic.task.horizon.ms - RECENT_MS
    found = ledger.submissions.of_topic(topic.id, topic.task, since_ms=since_ms).iloc[-MAX_RECENT_SUBMISSIONS:]
    losses = submitted_losses(ledger, topic, since_ms=since_ms)
    return tuple(_submission(row, losses.get(row["base_ms"])) for row in found.iloc[::-1].to_dict("records"))


def _submission(row: dict[Hashable, Any], log10_loss: float | None) -> RecentSubmission:
    return RecentSubmission(
        base_ms=row["base_ms"],
        end_ms=row["end_ms"],
        asked_ms=row["asked_ms"],
        version=row["version"],
        value=row["value"],
        baseline=_known(row["baseline"]),
        actual=_known(row["actual"]),
        log10_loss=log10_loss,
        accepted=None if row["accepted"] is None else bool(row["accepted"]),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


class ScoreBoard:
    """Holds the scores that the ledger's writer made last, for requests to read. Replacing them is one assignment."""

    def __init__(self) -> None:
        self.current: Mapping[int, TopicScores] = {}

    def follow(self, topics: Iterable[Topic]) -> None:
        """Forget what is not among these."""
        wanted = set(topics)
        self.current = {number: scores for number, scores in self.current.items() if scores.topic in wanted}

    def scored_ms(self, topic: Topic) -> float:
        """The moment at which a topic was scored; long ago if it never was."""
        scores = self.current.get(topic.id)
        return scores.scored_ms if scores else -math.inf

    def put(self, scores: TopicScores) -> None:
        """Replace a topic's scores."""
        self.current = {**self.current, scores.topic.id: scores}
