"""The network's other workers: what they said of a topic, how ours compares, and whether it may be submitted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from node.errors import ChainError, UnitSuspectedError
from node.topics import Topic
from worker.chain import Chain
from worker.chain_answers import NetworkInferences
from worker.metrics import Metrics
from worker.sanity_check import check_plausible
from worker.unit_guard import MIN_OTHERS, Comparison, UnitGuard
from worker.windows import Windows

log = structlog.get_logger("worker")

MAX_AGE_EPOCHS: Final = 3
"""Of what the network's workers said: older says nothing of our answer."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the network's other workers said; `unknown` says why that must not be relied on."""

    values: tuple[float, ...] = ()
    unknown: str = ""


def said_by_others(found: NetworkInferences | None, own: str | None, nonce: int, *, epoch: float, window: float) -> Said:
    """The others' values, if they are of a window near `nonce`; lengths in blocks. `own` is the address that is not another's."""
    values = tuple(value for worker, value in found.by_worker.items() if worker != own) if found else ()
    if found is None or not values:
        return Said(unknown="no other workers to compare with")
    if not -window <= nonce - found.nonce <= MAX_AGE_EPOCHS * epoch + window:
        return Said(values, f"what other workers said is of block {found.nonce}, too far from {nonce}")
    if len(values) < MIN_OTHERS:
        return Said(values, f"only {len(values)} other workers to compare with")
    return Said(values)


class Peers:
    """Of one topic."""

    def __init__(self, topic: Topic, chain: Chain, metrics: Metrics, windows: Windows, own: str | None) -> None:
        self._topic, self._chain, self._metrics, self._windows, self._own = topic, chain, metrics, windows, own
        self._guard = UnitGuard(topic.task)

    @property
    def newest(self) -> Comparison | None:
        """How our newest answer compares; None before there is one."""
        return self._guard.newest

    async def ask(self, nonce: int, seconds: float) -> Said:
        """What the others said of the newest settled window; it never fails, and takes `seconds` at most."""
        try:
            found = await asyncio.wait_for(self._chain.network_inferences(self._topic.id), seconds)
        except (ChainError, TimeoutError):
            return Said(unknown="the chain did not say what other workers answered")
        return said_by_others(found, self._own, nonce, epoch=self._windows.epoch_blocks, window=self._windows.window_blocks)

    def compare(self, value: float, said: Said) -> Comparison:
        """Compare, show it, and say it when it begins or ends to be suspect."""
        before = self._guard.newest
        found = self._guard.look(value, said.values, said.unknown)
        self._metrics.compared(self._topic.id, found)
        was_said, number = before is not None and before.is_said, self._topic.id
        if found.is_said and not was_said:
            what = {"windows": found.windows, "withheld": found.withheld, "found": str(found)}
            log.error("our answers and the network's look like two units", topic=number, **what)
        elif was_said and not found.is_said:
            log.info("our answers and the network's no longer look like two units", topic=number, found=str(found))
        return found

    def judge(self, value: float, said: Said, last: float | None) -> None:
        """UnitSuspectedError or ImplausibleAnswerError for an answer that must not be submitted. `last` is the one before it."""
        found = self.compare(value, said)
        if found.withheld:
            raise UnitSuspectedError(f"beyond the others' for {found.windows} windows, withheld until it agrees: {found}")
        check_plausible(self._topic, value, last=last, network=None if found.unknown else found.median)
