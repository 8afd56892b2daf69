"""What the JSON answers hold: the routes' functions return these, so that mypy holds them to it, and /openapi.json shows them.

An answer is a plain dictionary all the same; nothing here runs when a request is answered.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, final, get_args, get_type_hints

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from forecasting.evaluation.scores import Scores
from forecasting.prediction.conformal import LEVELS
from node.durations import Interval
from node.topics import Target


def _text(meaning: str, example: str, **more: Any) -> Any:
    return Field(description=meaning, examples=[example], json_schema_extra=more)


Token: TypeAlias = Annotated[str, _text("What is forecast, in capitals.", "BTC")]
TargetName: TypeAlias = Annotated[str, _text("What of it is forecast.", "price", enum=[target.value for target in Target])]
Span: TypeAlias = Annotated[str, _text("A span of time.", "24h")]
BarLength: TypeAlias = Annotated[str, _text("Length of a candle.", "1h", enum=[interval.value for interval in Interval])]
Moment: TypeAlias = Annotated[str, _text("UTC.", "2025-06-15T15:59:00Z", format="date-time")]
Milliseconds: TypeAlias = Annotated[int, Field(description="UTC, milliseconds since 1970.", examples=[1_750_003_140_000])]
Version: TypeAlias = Annotated[str, _text("A version of a model.", "20250615T155900Z-0a1b2c")]
Decimal: TypeAlias = Annotated[str, _text("A bare finite decimal.", "64000.5", pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
Figure: TypeAlias = float | int | str | bool | None
LevelEdges: TypeAlias = Annotated[
    dict[str, list[float]],
    WithJsonSchema({
        "type": "object",
        "description": "Low and high, by the percent of truths that should lie between them.",
        "properties": {str(level): {"type": "array", "items": {"type": "number"}} for level in LEVELS},
        "required": [str(level) for level in LEVELS],
        "additionalProperties": False,
    }),
]  # fmt: skip


class Problem(TypedDict):
    """Why there is no answer, for programs and for people, and what to do next."""

    code: Annotated[str, _text("Never changes its meaning.", "not_ready", pattern="^[a-z_]+$")]
    message: str
    hint: str


class ErrorAnswer(TypedDict):
    """Every error of every route has this form."""

    error: Problem


class TopicName(TypedDict):
    """Which topic this is about."""

    topic_id: int
    token: Token
    target: TargetName
    horizon: Span


class PathStepShown(TypedDict):
    """One moment of the way to the horizon, in the target's own units."""

    time: Moment
    value: float
    intervals: LevelEdges


class PathShown(TopicName):
    """The way to the horizon."""

    version: Version
    made_from: Moment
    last_price: float
    baseline: float
    steps: list[PathStepShown]


class CandleColumns(TypedDict):
    """Candles column by column, oldest first."""

    open_time: list[Milliseconds]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]


class PastAnswer(TypedDict):
    """An answer that was given, and what came of it: null as long as nobody knows."""

    made: Moment
    time: Moment
    value: float
    intervals: LevelEdges | None
    truth: float | None
    last_price: float
    version: Version


class CandlesShown(TopicName):
    """The newest candles a topic's model reads, and the answers made for their time."""

    symbol: str
    horizon_ms: int
    interval: BarLength
    interval_ms: int
    candles: CandleColumns
    past: list[PastAnswer]
    volatility: list[float | None] | None


class TopicShown(TopicName):
    """A topic: its answer, or why there is none."""

    interval: BarLength
    model: str
    loss: str
    ready: bool
    reason: str
    hint: str
    overdue_since: Moment | None
    answer: Decimal | None
    made_from: Moment | None
    age_seconds: float | None
    expires: Moment | None
    champion: Version | None
    skill: float | None
    asked: Moment | None
    endpoint: str


class VersionShown(TypedDict):
    """A version of a model, and why it was promoted or refused."""

    version: Version
    created_ms: Milliseconds
    parent: Version | None
    promoted_by_gate: bool
    reason: str
    data_start_ms: Milliseconds
    data_end_ms: Milliseconds
    shrinkage: float | None
    scores: dict[str, Figure]


@final
class DamagedVersion(TypedDict):
    """A version whose manifest cannot be read."""

    version: str
    error: str


class ModelShown(TypedDict):
    """A model: which version is champion and why, which one is served, and all there are."""

    model: str
    token: Token
    target: TargetName
    horizon: Span
    interval: BarLength
    topics: list[int]
    champion: Version | None
    serving: Version | None
    reason: str
    promoted_ms: Milliseconds | None
    former_champions: list[Version]
    scores: dict[str, Figure]
    history: list[VersionShown | DamagedVersion]


def _figures() -> dict[str, Any]:
    """Of `LiveScore.to_dict`: what the judge says, where null is a figure that does not exist."""
    names = {int: "integer", float: "number", str: "string"}
    judged = {name: (get_args(kind) or (kind,))[0] for name, kind in get_type_hints(Scores).items()}
    kinds = {"version": str, "first_ms": int, "last_ms": int} | judged
    return {
        "type": "object",
        "properties": {name: {"type": [names[kind], "null"]} for name, kind in kinds.items()},
        "required": list(kinds),
        "additionalProperties": False,
    }


Figures: TypeAlias = Annotated[dict[str, Any], WithJsonSchema(_figures())]


class RollingShown(TypedDict):
    """Skill over time, as two columns."""

    open_time: list[Milliseconds]
    skill: list[float]


class SubmissionShown(TypedDict):
    """What the worker took to submit for a nonce, and what came of it, in the network's unit; null as long as nobody knows."""

    base: Moment
    end: Moment
    asked: Moment
    version: Version
    value: float
    baseline: float | None
    actual: float | None
    log10_loss: float | None
    accepted: bool | None


class TopicScored(TopicName):
    """How the answers given for a topic turned out: those that were submitted (basis), or, while there are none, all of them."""

    loss: str
    scored: Moment | None
    since: Moment | None
    answers: int
    submissions: int
    basis: Annotated[str, _text("What the figures are of.", "submissions", enum=["submissions", "answers"])]
    overall: Figures | None
    versions: list[Figures]
    rolling_over: Span
    rolling: RollingShown
    recent: list[SubmissionShown]


class UpdaterTopic(TypedDict):
    """What the updater does for a topic: candles had of candles wanted, whether there is a champion, and the rest in words."""

    have: int
    want: int
    trained: bool
    state: str
    detail: str


class UpdaterShown(TypedDict):
    """The updater's newest heartbeat; topics by number."""

    heard: Moment | None
    state: str
    topics: dict[str, UpdaterTopic]


class LiveShown(TypedDict):
    """Whether the process works."""

    status: str


class CheckShown(TypedDict):
    """One thing that is well or not, and what to do about it."""

    name: str
    ok: bool
    detail: str
    hint: str


class ReadyShown(TypedDict):
    """Whether every topic has a fresh answer, and which has not."""

    status: Annotated[str, _text("In two words.", "ready", enum=["ready", "not ready"])]
    checks: list[CheckShown]
