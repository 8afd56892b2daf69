"""The topics of the simulated chain: those of config.json or of the catalogue, with epochs short enough to watch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from node.catalogue import CATALOGUE
from node.topics import Cell, Target, Topic

SECONDS_PER_BLOCK = 5
"""Of the real network; the ground-truth lag is the horizon in its blocks."""

_WORDS = {Target.PRICE: "Price", Target.LOG_RETURN: "Log-Return", Target.VOLATILITY: "Volatility"}


@dataclass(slots=True)
class ChainTopic:
    """What the chain knows of a topic. A window opens every `epoch_blocks`, `offset` blocks after a multiple of it."""

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

    def open_nonces(self, height: int) -> list[int]:
        """Heights at which the windows open at `height` were opened, oldest first."""
        first = max(1, height - self.window_blocks)
        return [nonce for nonce in range(first, height + 1) if self.opens_at(nonce)] if self.active else []

    def opens_at(self, height: int) -> bool:
        return self.active and height >= self.epoch_blocks and height % self.epoch_blocks == self.offset

    def may_submit(self, address: str) -> bool:
        return self.whitelist is None or address in self.whitelist


def metadata_of(cell: Cell) -> str:
    """A topic's description as the network's own topics have it."""
    return f"{cell.token}/USD - {cell.horizon} {_WORDS[cell.target]} Prediction"


def _topic(number: int, cell: Cell | None, loss: str, epoch_blocks: int, window_blocks: int, place: int) -> ChainTopic:
    return ChainTopic(
        id=number,
        metadata=metadata_of(cell) if cell else f"topic {number}",
        loss=loss,
        epoch_blocks=epoch_blocks,
        window_blocks=min(window_blocks, epoch_blocks),
        ground_truth_lag=int(cell.horizon.seconds) // SECONDS_PER_BLOCK if cell else epoch_blocks,
        offset=place % epoch_blocks,
    )


def configured(topics: Iterable[Topic], epoch_blocks: int, window_blocks: int) -> list[ChainTopic]:
    """The topics of config.json, opening one block after the other."""
    return [_topic(topic.id, topic.cell, topic.loss, epoch_blocks, window_blocks, place) for place, topic in enumerate(topics)]


def numbered(numbers: Iterable[int], network: str, epoch_blocks: int, window_blocks: int) -> list[ChainTopic]:
    """Topics by number; those that the catalogue knows are described as it does."""
    known = CATALOGUE[network]
    return [
        _topic(
            number,
            known[number].cell if number in known else None,
            known[number].loss if number in known else "mse",
            epoch_blocks,
            window_blocks,
            place,
        )
        for place, number in enumerate(numbers)
    ]
