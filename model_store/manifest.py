"""What a stored model says of itself: a `VersionMetadata` before it is published, a `Manifest` after.

Both are frozen and bounded, because a manifest is read from a folder that other programs can write to.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

from node.durations import Duration
from node.topics import TOKEN_PATTERN, Target, Task
from node.version import VERSION

GRAPH: Final = "model.onnx"
WEIGHTS: Final = "weights.safetensors"
MANIFEST: Final = "manifest.json"

LARGEST: Final[dict[str, int]] = {GRAPH: 64 << 20, WEIGHTS: 256 << 20, MANIFEST: 16 << 20}
"""Bytes above which a file is not even read."""

LATEST_MS: Final = 253_402_300_799_999
"""The end of the year 9999: what is later can neither be written as a date nor told to anyone."""

MAX_SCORE: Final = 2**63

VERSION_PATTERN: Final = r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}"
DIGEST_PATTERN: Final = r"[0-9a-f]{64}"

VersionName = Annotated[str, StringConstraints(pattern=rf"^{VERSION_PATTERN}$")]
Digest = Annotated[str, StringConstraints(pattern=rf"^{DIGEST_PATTERN}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Reason = Annotated[str, StringConstraints(max_length=2000)]


def _plain(value: object) -> object:
    """numpy arrays and scalars as lists and numbers; anything else as it is."""
    to_list = getattr(value, "tolist", None)
    return to_list() if callable(to_list) else value


def _readable_score(value: object) -> object:
    """JSON has no word for a score that is not a number, such as a correlation of constants; null says it."""
    plain = _plain(value)
    if isinstance(plain, int) and abs(plain) > MAX_SCORE:
        raise ValueError("a score of so many digits is none")
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _read_horizon(value: object) -> object:
    return Duration.parse(value) if isinstance(value, str) else value


Milliseconds = Annotated[int, Field(ge=0, le=LATEST_MS)]
Number = Annotated[Finite, BeforeValidator(_plain)]
Rows = Annotated[tuple[tuple[Finite, ...], ...], BeforeValidator(_plain), Field(min_length=1, max_length=10_000)]
Horizon = Annotated[Duration, BeforeValidator(_read_horizon), PlainSerializer(str, return_type=str)]
Score = Annotated[float | int | str | bool | None, BeforeValidator(_readable_score)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Gate(_Part):
    """Whether the candidate was allowed to become champion, and why."""

    promoted: bool
    reason: Reason


class Sample(_Part):
    """One input, shapes [W, F], scalar and scalar, with the trained model's own answer in model space."""

    window: Rows
    baseline: Number
    scale: Number
    forecast: Number


class TaskName(_Part):
    """A task as a manifest writes it."""

    token: str = Field(pattern=rf"^{TOKEN_PATTERN.pattern}$")
    target: Target
    horizon: Horizon

    @classmethod
    def of(cls, task: Task) -> Self:
        return cls(token=task.token, target=task.target, horizon=task.horizon)

    @property
    def task(self) -> Task:
        return Task(self.token, self.target, self.horizon)


class VersionMetadata(_Part):
    """What whoever trained a model knows of it; the store adds the rest when it publishes."""

    signature: dict[str, Any] = Field(description="What the graph reads: task, interval, window, feature names.")
    data_start_ms: Milliseconds = Field(description="Open time of the first candle it was made from.")
    data_end_ms: Milliseconds = Field(description="Open time of the last candle it was made from.")
    data_sha256: Digest = Field(description="Digest of those candles.")
    test_start_ms: Milliseconds | None = Field(None, description="Open time of the first candle it was judged on.")
    test_end_ms: Milliseconds | None = Field(None, description="Open time of the last candle it was judged on.")
    seed: int
    seconds: Finite | None = Field(None, description="How long the training took.")
    shrinkage: Finite | None = Field(None, description="How far it trusts itself: 0 is the baseline, 1 the bare network.")
    intervals: dict[str, tuple[Finite, Finite]] | None = Field(
        None,
        max_length=20,
        description="How far off it has been, as forecasting/prediction/conformal.py writes it: pairs by level.",
    )
    scores: dict[str, Score] = Field(default_factory=dict, max_length=200)
    gate: Gate
    samples: tuple[Sample, ...] = Field(min_length=1, max_length=64)
    parent: VersionName | None = Field(None, description="The version whose weights the training started from.")
    code_version: str = Field(default=VERSION, max_length=100)

    def score(self, name: str) -> float | None:
        """One of the scores, if it is there and is a number."""
        value = self.scores.get(name)
        return float(value) if isinstance(value, int | float) else None


class Manifest(VersionMetadata):
    """A published version. `files` holds the SHA-256 of every other file of its folder."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    version: VersionName
    task: TaskName = Field(alias="cell", description="What it forecasts; on disk it has its first name.")
    created_ms: Milliseconds
    files: dict[str, Digest] = Field(max_length=2)
