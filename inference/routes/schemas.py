"""Types of JSON that several routes share. The views return such types, so that mypy checks them and /openapi.json shows them.

An answer is a plain dictionary all the same; nothing here runs when a request is answered.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from forecasting.prediction.conformal import LEVELS
from node.durations import Interval
from node.topics import Target


def text_field(meaning: str, example: str, **more: Any) -> Any:
    """Description and example of a text, and `more` of its JSON Schema."""
    return Field(description=meaning, examples=[example], json_schema_extra=more)


Token: TypeAlias = Annotated[str, text_field("What is forecast, in capitals.", "BTC")]
TargetName: TypeAlias = Annotated[str, text_field("What of it is forecast.", "price", enum=[target.value for target in Target])]
Span: TypeAlias = Annotated[str, text_field("A span of time.", "24h")]
BarLength: TypeAlias = Annotated[str, text_field("Length of a candle.", "1h", enum=[interval.value for interval in Interval])]
Moment: TypeAlias = Annotated[str, text_field("UTC.", "2025-06-15T15:59:00Z", format="date-time")]
Milliseconds: TypeAlias = Annotated[int, Field(description="UTC, milliseconds since 1970.", examples=[1_750_003_140_000])]
Version: TypeAlias = Annotated[str, text_field("A version of a model.", "20250615T155900Z-0a1b2c")]
Decimal: TypeAlias = Annotated[str, text_field("A bare finite decimal.", "64000.5", pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
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

    code: Annotated[str, text_field("Never changes its meaning.", "not_ready", pattern="^[a-z_]+$")]
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
