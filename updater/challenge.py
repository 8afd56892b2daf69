"""What a training process is told and gives back: small and plain, so that it travels between processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from model_store.manifest import VersionMetadata
from node.topics import Topic


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a training process is told."""

    topic: Topic
    database_url: str
    model_store: Path
    history_ms: int
    max_epochs: int
    now_ms: int
    because: str | None
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "console", "json"]


@dataclass(frozen=True, slots=True)
class TrainedChallenger:
    """A candidate with the gate's decision, ready to be published."""

    topic: Topic
    metadata: VersionMetadata
    graph: bytes = field(repr=False)
    weights: bytes = field(repr=False)
    skill: float
    seconds: float


@dataclass(frozen=True, slots=True)
class FailedTraining:
    """A topic that has no candidate this time, and why."""

    topic: Topic
    error: Exception
