"""The time in the header of a nonce's block: where the interval begins that the window asks about."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from node.clock import Clock
from node.durations import SECOND_MS
from node.errors import ChainError
from worker.blocks import Blocks
from worker.chain import Chain, NotFound

PLACEHOLDER: Final = "{NonceTime}"
"""In a topic's endpoint; one without it is never told, and the chain is never asked for it."""

ASK_SECONDS: Final = 2.0
MAX_REMEMBERED: Final = 64
MAX_OFF_SECONDS: Final = 3600.0
"""A header further from this machine's clock is no header of a window that is open now."""


class Way(StrEnum):
    """How a nonce's time came to be known."""

    HEADER = "header"
    ESTIMATE = "estimate"


@dataclass(frozen=True, slots=True)
class NonceTime:
    """Milliseconds UTC, not rounded."""

    ms: int
    way: Way


class NonceTimes:
    """One question to the chain for each block, whatever the number of topics that share it."""

    def __init__(self, chain: Chain, blocks: Blocks, clock: Clock) -> None:
        self._chain, self._blocks, self._clock = chain, blocks, clock
        self._asked: dict[int, asyncio.Task[int | None]] = {}
        self._jumps = 0

    async def of(self, nonce: int, seconds: float = ASK_SECONDS) -> NonceTime:
        """The time of the block `nonce`, read within `seconds`, or estimated from the pace of the blocks."""
        ms = await self._read(nonce, seconds)
        if ms is not None:
            return NonceTime(ms, Way.HEADER)
        return NonceTime(round(self._estimate(nonce) * SECOND_MS), Way.ESTIMATE)

    async def _read(self, nonce: int, seconds: float) -> int | None:
        if self._jumps != self._blocks.jumps:
            self._asked, self._jumps = {}, self._blocks.jumps
        if nonce not in self._asked:
            self._asked[nonce] = asyncio.create_task(self._ask(nonce), name=f"time of block {nonce}")
            while len(self._asked) > MAX_REMEMBERED:
                self._asked.pop(next(iter(self._asked))).cancel()
        task = self._asked[nonce]
        await asyncio.wait({task}, timeout=max(0.0, min(seconds, ASK_SECONDS)))
        ms = task.result() if task.done() and not task.cancelled() else None
        if task.done() and ms is None and self._asked.get(nonce) is task:
            del self._asked[nonce]
        return ms

    async def _ask(self, nonce: int) -> int | None:
        """None if the chain does not say, or says what cannot be."""
        try:
            ms = await self._chain.block_time(nonce)
        except (ChainError, NotFound):
            return None
        time = ms / SECOND_MS
        return ms if self._can_be(time) and self._blocks.may_have_had(nonce, time) else None

    def _can_be(self, time: float) -> bool:
        return abs(time - self._clock.now_ms() / SECOND_MS) <= MAX_OFF_SECONDS

    def _estimate(self, nonce: int) -> float:
        """By a known header if this can be believed, else by this machine's clock and how many blocks ago it was."""
        estimate = self._blocks.header_time(nonce)
        if estimate is not None and self._can_be(estimate):
            return estimate
        ago = asyncio.get_running_loop().time() - self._blocks.time_of(nonce) if self._blocks.height else 0.0
        return self._clock.now_ms() / SECOND_MS - max(0.0, ago)

    async def close(self) -> None:
        """End what is still being asked."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
