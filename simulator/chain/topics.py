"""The topics of the simulated chain: those of config.json or of the catalogue, with epochs short enough to watch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from node.catalogue import CATALOGUE
from node.durations import SECOND_MS
from node.topics import Target, Task, Topic

SECONDS_PER_BLOCK = 5
"""Of the real network; the ground-truth lag is the horizon in its blocks."""

_WORDS = {Target.PRICE: "Price", Target.LOG_RETURN: "Log-Return", Target.VOLATILITY: "Volatility"}


MAX_ROUNDS: Final = 8
OLDER_QUERY: Final = "GetUnfulfilledWorkerNonces"
"""Goes with the chain's change to seconds."""


class Measure(StrEnum):
    """In what the chain measures epochs, lags and windows: as it does today, or as its open changes do."""

    BLOCKS = "blocks"
    SECONDS = "seconds"


@dataclass(slots=True)
class ChainTopic:
    """What the chain knows of a topic. A window opens every `epoch_blocks`, `offset` blocks after a multiple of it.

    If it measures in seconds, one opens with the first block of every `epoch_seconds`, and closes by the clock after
    `window_seconds`.
    """

    id: int
    metadata: str
    loss: str = "mse"
    epoch_blocks: int = 12
    window_blocks: int = 12
    ground_truth_lag: int = 120
    offset: int = 0
    active: bool = True
    whitelist: set[str] | None = None
    registered: set[str] = field(default_factory=set)
    latest: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Worker → nonce and value of its newest accepted inference."""
    task: Task | None = None
    """What is asked about; None if the catalogue does not know the topic."""
    rounds: dict[int, dict[str, str]] = field(default_factory=dict)
    """Nonce → worker → value, of the newest windows."""
    measure: Measure = Measure.BLOCKS
    epoch_seconds: int = 60
    window_seconds: int = 60
    opened_ms: dict[int, int] = field(default_factory=dict)
    """Nonce → time of its block, of the newest windows that are measured in seconds."""

    def advance(self, height: int, time_ms: int) -> bool:
        """Whether the block `height`, made at `time_ms`, opens a window."""
        if self.measure is Measure.BLOCKS:
            return self.opens_at(height)
        epoch_ms = self.epoch_seconds * SECOND_MS
        newest = max(self.opened_ms.values(), default=0)
        if not self.active or time_ms // epoch_ms == newest // epoch_ms:
            return False
        self.opened_ms[height] = time_ms
        while len(self.opened_ms) > MAX_ROUNDS:
            del self.opened_ms[next(iter(self.opened_ms))]
        return True

    def answer(self, nonce: int, worker: str, value: str) -> None:
        """A worker's accepted answer."""
        self.rounds.setdefault(nonce, {})[worker] = value
        while len(self.rounds) > MAX_ROUNDS:
            del self.rounds[min(self.rounds)]

    def settled(self, height: int, time_ms: int) -> int | None:
        """Nonce of the newest window that is over and was answered."""
        still_open = self.open_nonces(height, time_ms)
        return max((nonce for nonce, values in self.rounds.items() if values and nonce not in still_open), default=None)

    def open_nonces(self, height: int, time_ms: int = 0) -> list[int]:
        """Heights at which the windows open in the block `height`, made at `time_ms`, were opened, oldest first."""
        if self.measure is Measure.SECONDS:
            lasts_ms = self.window_seconds * SECOND_MS
            return [nonce for nonce, opened_ms in self.opened_ms.items() if time_ms - opened_ms <= lasts_ms] if self.active else []
        first = max(1, height - self.window_blocks)
        return [nonce for nonce in range(first, height + 1) if self.opens_at(nonce)] if self.active else []

    def opens_at(self, height: int) -> bool:
        return self.active and height >= self.epoch_blocks and height % self.epoch_blocks == self.offset

    def may_submit(self, address: str) -> bool:
        return self.whitelist is None or address in self.whitelist


def metadata_of(task: Task) -> str:
    """A topic's description as the network's own topics have it."""
    return f"{task.token}/USD - {task.horizon} {_WORDS[task.target]} Prediction"


def _topic(number: int, task: Task | None, loss: str, epoch_blocks: int, window_blocks: int, place: int) -> ChainTopic:
    return ChainTopic(
        id=number,
        metadata=metadata_of(task) if task else f"topic {number}",
        loss=loss,
        epoch_blocks=epoch_blocks,
        window_blocks=min(window_blocks, epoch_blocks),
        ground_truth_lag=int(task.horizon.seconds) // SECONDS_PER_BLOCK if task else epoch_blocks,
        offset=place % epoch_blocks,
        task=task,
    )


def in_seconds(topics: Iterable[ChainTopic], block_seconds: float) -> None:
    """Have these topics measure in seconds what they measure in blocks; they open together, with the first block of an epoch."""
    for topic in topics:
        topic.measure = Measure.SECONDS
        topic.epoch_seconds = max(1, round(topic.epoch_blocks * block_seconds))
        topic.window_seconds = max(1, round(topic.window_blocks * block_seconds))
        topic.ground_truth_lag = round(topic.ground_truth_lag * SECONDS_PER_BLOCK)


def configured(topics: Iterable[Topic], epoch_blocks: int, window_blocks: int) -> list[ChainTopic]:
    """The topics of config.json, opening one block after the other."""
    return [_topic(topic.id, topic.task, topic.loss, epoch_blocks, window_blocks, place) for place, topic in enumerate(topics)]


def numbered(numbers: Iterable[int], network: str, epoch_blocks: int, window_blocks: int) -> list[ChainTopic]:
    """Topics by number; those that the catalogue knows are described as it does."""
    known = CATALOGUE[network]
    return [
        _topic(
            number,
            known[number].task if number in known else None,
            known[number].loss if number in known else "mse",
            epoch_blocks,
            window_blocks,
            place,
        )
        for place, number in enumerate(numbers)
    ]
