"""The snapshot that requests are answered from: one immutable picture of all topics, replaced as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Self

import numpy as np

from forecasting.dataset.signature import Signature
from forecasting.prediction.composition import Prices
from forecasting.prediction.conformal import Intervals
from forecasting.prediction.forecast import Forecast
from forecasting.prediction.path import PathStep, compute_path
from inference.answers.freshness import Freshness
from node.errors import BadParameterError, NotReadyError, UnknownTokenError, UnknownTopicError
from node.topics import Topic

RETRY_NO_ANSWER_SECONDS: Final = 10
MAX_ECHO_CHARACTERS: Final = 40
MAX_TOPIC_ID_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class PredictionIntervals:
    """A forecast with its interval widths: the path to the horizon is plain arithmetic from here on."""

    signature: Signature
    intervals: Intervals
    forecast: Forecast

    def path(self, steps: int) -> list[PathStep]:
        """In this many equal steps."""
        return compute_path(self.signature, self.intervals, self.forecast, steps)

    @property
    def edges(self) -> tuple[float, ...]:
        """Low and high at the horizon of each level of intervals, in model space."""
        forecast, scale = np.array([self.forecast.log_return_or_log_vol]), np.array([self.forecast.scale])
        return tuple(self.intervals.bounds(forecast, scale)[0].tolist())


@dataclass(frozen=True, slots=True)
class Answer:
    """A forecast, ready to be sent."""

    value: float
    body: bytes
    version: str
    made_from: int
    """Open time of the newest bar the model read, UTC milliseconds."""
    forecast: Forecast
    prices: Prices = field(compare=False, repr=False)
    """Of the newest minutes: what is known of an interval that began among them."""
    prediction_intervals: PredictionIntervals | None = None
    """None where the model does not know how far off it has been: it was published before models kept that."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer, and what to do about it."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Champion:
    """The model in use."""

    version: str
    skill: float | None
    created_ms: int


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic: its answer, or why there is none, and until when the answer may be served."""

    topic: Topic
    freshness: Freshness
    champion: Champion | None
    outcome: Answer | Problem

    def overdue_since(self, now_ms: int) -> int | None:
        """When the candle should have been there whose absence keeps the answer from being served; None if it is not that."""
        if isinstance(self.outcome, Problem) or not self.freshness.is_stale(now_ms):
            return None
        return self.freshness.oldest.next_close_ms

    def refusal(self, now_ms: int) -> NotReadyError | None:
        """Why no number may be served at `now_ms`; None if one may."""
        if isinstance(self.outcome, Problem):
            message = f"{self.topic}: {self.outcome.message}"
            return NotReadyError(message, retry_after=RETRY_NO_ANSWER_SECONDS, hint=self.outcome.hint)
        return self.freshness.refusal(self.topic, now_ms) if self.freshness.is_stale(now_ms) else None


@dataclass(frozen=True, slots=True)
class Served:
    """The part of a topic that a request for a number needs, worked out once instead of at every request."""

    state: TopicState
    body: bytes | None
    expires_ms: int


@dataclass(frozen=True)
class Snapshot:
    """All topics in the order of config.json."""

    states: tuple[TopicState, ...] = ()
    by_number: Mapping[int, Served] = field(default_factory=dict, compare=False, repr=False)
    by_token: Mapping[str, Served] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, states: Iterable[TopicState]) -> Self:
        """The first topic of a token answers for the token."""
        kept = tuple(states)
        by_number: dict[int, Served] = {}
        by_token: dict[str, Served] = {}
        for state in kept:
            body = state.outcome.body if isinstance(state.outcome, Answer) else None
            served = Served(state, body, state.freshness.expires_ms)
            by_number[state.topic.id] = served
            by_token.setdefault(state.topic.token, served)
        return cls(kept, MappingProxyType(by_number), MappingProxyType(by_token))

    def find(self, token: str, number: str | None, *, ambiguous: bool = True) -> Served:
        """The topic a request means; if there is none, an AnswerError that names the topics there are.

        Without a number the token's first topic is meant, unless nothing may be `ambiguous` and the token has several.
        """
        wanted = token.upper()
        first = self.by_token.get(wanted)
        if first is None:
            known = ", ".join(sorted(self.by_token)) or "none yet"
            message = f"there is no topic for the token {token[:MAX_ECHO_CHARACTERS]!r}; tokens here are {known}"
            raise UnknownTokenError(message, hint="Topics stand under worker in config.json.")
        if number is None:
            if not ambiguous and sum(state.topic.token == wanted for state in self.states) > 1:
                hint = f"{self._topics_of(wanted)} Write ?topic={{TopicId}} into this topic's InferenceEndpoint."
                raise BadParameterError(f"{wanted} has several topics here, and the request names none", hint=hint)
            return first
        if not (number.isascii() and number.isdigit() and len(number) <= MAX_TOPIC_ID_DIGITS):
            raise BadParameterError(f"topic={number[:MAX_ECHO_CHARACTERS]!r} is not a number", hint=self._topics_of(wanted))
        served = self.by_number.get(int(number))
        if served is None or served.state.topic.token != wanted:
            raise UnknownTopicError(f"{wanted} has no topic {int(number)} here", hint=self._topics_of(wanted))
        return served

    def _topics_of(self, token: str) -> str:
        numbers = [str(state.topic.id) for state in self.states if state.topic.token == token]
        return f"Topics of {token} here: {', '.join(numbers)}."


class CurrentSnapshot:
    """Holds the snapshot that the watcher made last, for requests to read. Replacing it is one assignment."""

    def __init__(self) -> None:
        self.snapshot = Snapshot()
        self.asked: dict[int, int] = {}
        """When the worker last asked for each topic, by number, UTC milliseconds."""
