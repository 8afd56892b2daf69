"""How a window ended: each outcome has a name that metrics, logs and health use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.errors import ChainError

ACCEPTED: Final = "accepted"
DRY_RUN: Final = "dry_run"
ALREADY_SUBMITTED: Final = "already_submitted"
STOPPED: Final = "stopped"
UNFORESEEN: Final = "unforeseen"
UNSEEN: Final = "unseen"
"""The window came and went without this node learning of it; the reason is the newest trouble with the chain."""

GOOD: Final = frozenset({ACCEPTED, DRY_RUN, ALREADY_SUBMITTED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one window of one topic ended."""

    topic: int
    nonce: int
    name: str
    value: float | None = None
    transaction: str = ""
    reason: str = ""
    nonce_time: str = ""
    """How the nonce's time came to be known; empty if nobody asked for it."""

    @property
    def is_good(self) -> bool:
        return self.name in GOOD

    @classmethod
    def failed(cls, topic: int, nonce: int, error: ChainError, value: float | None = None) -> Outcome:
        return cls(topic, nonce, error.code, value, reason=error.message)
