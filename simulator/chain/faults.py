"""Named ways in which the simulated chain fails: scripted one by one, or at random from a seed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

TRANSACTION_FAULTS = (
    "sequence_mismatch",
    "insufficient_fee",
    "out_of_gas",
    "already_68",
    "already_75",
    "already_78",
    "lost",
    "slow",
    "unknown_outcome",
)
"""Befall one transaction. `lost`: accepted, then never in a block. `slow`: answered late. `unknown_outcome`: no answer in time, yet
in a block."""

NODE_FAULTS = ("restart", "websocket_silence", "unimplemented")
"""Befall the node for some seconds."""

NAMES = TRANSACTION_FAULTS + NODE_FAULTS


@dataclass(slots=True)
class Fault:
    """One scripted fault: the next `count` transactions (of `topic`, if given), or the node for `seconds`."""

    kind: str
    topic: int | None = None
    count: int = 1
    seconds: float = 2.0

    def __post_init__(self) -> None:
        if self.kind not in NAMES:
            raise ValueError(f"fault {self.kind!r} is not known; known are {', '.join(NAMES)}")


class Faults:
    """The script, and beside it transaction faults drawn with `share` from `seed`."""

    def __init__(self, share: float = 0.0, seed: int = 1) -> None:
        self.share = share
        self.drawn: Counter[str] = Counter()
        self._script: list[Fault] = []
        self._until: dict[str, float] = {}
        self._random = random.Random(seed)  # to be repeatable, not to be secret  # nosec B311

    def add(self, fault: Fault, now: float) -> None:
        """Put a fault into force; `now` in seconds."""
        if fault.kind in NODE_FAULTS:
            self._until[fault.kind] = now + fault.seconds
        else:
            self._script.append(fault)

    def lasts(self, kind: str, now: float) -> bool:
        """Whether a fault of the node is in force."""
        return now < self._until.get(kind, 0.0)

    def for_transaction(self, topic: int) -> str | None:
        """The fault that befalls a transaction for `topic`, if any; each is used up."""
        kind = self._scripted(topic)
        if kind is None and self.share and self._random.random() < self.share:
            kind = self._random.choice(TRANSACTION_FAULTS)
        if kind is not None:
            self.drawn[kind] += 1
        return kind

    def _scripted(self, topic: int) -> str | None:
        for fault in self._script:
            if fault.topic in {None, topic}:
                fault.count -= 1
                if fault.count <= 0:
                    self._script.remove(fault)
                return fault.kind
        return None
