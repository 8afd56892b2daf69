"""A topic's submission windows: learnt of from the websocket, or by asking when that is silent; and when each closes.

What version 10 of the API carries: the event of an opened window has its nonce and its last block, the query for open windows has
nonces alone, and the status of a window has its last block. None has an end in time, and nothing says in which unit a topic's
lengths are: in blocks today, and, by changes of the chain that are open but not released, in seconds of block time one day. Then
a window closes by the clock even if blocks are left. Which of the two it is is read from what the chain tells (`unit_of`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from node.errors import ChainError
from node.topics import Topic
from worker import outcomes
from worker.blocks import Blocks
from worker.chain import Chain, NotFound
from worker.chain_answers import TopicOnChain
from worker.connection import Connection
from worker.outcomes import Outcome

log = structlog.get_logger("worker")

POLLS_PER_WINDOW: Final = 4
MIN_POLL_SECONDS: Final = 0.5
MAX_POLL_SECONDS: Final = 15.0
MAX_REMEMBERED: Final = 200
MAX_NAMED_GAPS: Final = 20
"""More windows than these in one gap are said in one line."""

USUAL_WINDOW: Final = 12
MIGRATED_SECONDS: Final = 6.0
"""Of a block: by how much the open changes multiply a topic's lengths when these become seconds."""


class Unit(StrEnum):
    """In what the chain measures a topic's lengths."""

    BLOCKS = "blocks"
    SECONDS = "seconds"


def convert(length: float, given: Unit, wanted: Unit, block_seconds: float) -> float:
    """A length of the chain's time in the other unit. Nothing else makes seconds of blocks or blocks of seconds."""
    if given is wanted:
        return length
    return length * block_seconds if given is Unit.BLOCKS else length / block_seconds


def unit_of(found: TopicOnChain, told_blocks: int, known_epoch: int | None, block_seconds: float) -> Unit | None:
    """In what a topic's lengths are measured; None if nothing tells.

    `told_blocks`: how many blocks a window has by its event or its status, 0 if neither said. `known_epoch`: the topic's epoch in
    blocks.
    """
    if told_blocks > 0 and found.window > 0:
        if abs(told_blocks - found.window) <= 1:
            return Unit.BLOCKS
        told_seconds = convert(told_blocks, Unit.BLOCKS, Unit.SECONDS, block_seconds)
        if 0.5 <= told_seconds / found.window <= 2:
            return Unit.SECONDS
    if known_epoch:
        if found.epoch == known_epoch:
            return Unit.BLOCKS
        if 0.75 <= found.epoch / (known_epoch * MIGRATED_SECONDS) <= 1.25:
            return Unit.SECONDS
    return None


@dataclass(frozen=True, slots=True)
class Window:
    """Opened by block `nonce`. `end` is the last block that may hold an answer; it closes at `closes` (event loop time)."""

    nonce: int
    end: int
    closes: float
    announced: bool
    sure: bool
    """Whether the chain told when it closes; if not, there is no waiting for a fresher answer."""


class Windows:
    """Those of one topic, each handed out once. Call it in a running event loop."""

    def __init__(
        self, topic: Topic, chain: Chain, connection: Connection, blocks: Blocks, record: Callable[[Outcome], None]
    ) -> None:
        self.found: TopicOnChain | None = None
        """What the chain says of the topic; to be set once it is known."""
        self.unit: Unit | None = None
        self._topic, self._chain, self._connection, self._blocks, self._record = topic, chain, connection, blocks, record
        self._announced: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self._seen: dict[int, None] = {}
        self._asked_since = -1
        """Height at which the connection was opened over which was last asked: windows opened before it are not announced."""
        self._newest = 0
        self._jumps = 0

    def opened(self, nonce: int, end: int) -> None:
        """The websocket tells of a window. Its last block is 0 if it does not say."""
        self._announced.put_nowait((nonce, end))

    @property
    def epoch_blocks(self) -> float:
        """About how many blocks lie between two windows; 0 if it is not known."""
        return self._in_blocks(self.found.epoch) if self.found else 0.0

    @property
    def window_blocks(self) -> float:
        """About how many blocks a window has."""
        return self._in_blocks(self.found.window) if self.found and self.found.window else float(USUAL_WINDOW)

    def _in_blocks(self, length: float) -> float:
        return convert(length, self.unit or Unit.BLOCKS, Unit.BLOCKS, self._blocks.seconds)

    async def next(self) -> list[Window]:
        """What is new, after a while nothing. The chain itself is asked at first, and when none is announced for a while."""
        connected = self._connection.opened_at_height
        if connected == self._asked_since:
            seconds = convert(self.window_blocks, Unit.BLOCKS, Unit.SECONDS, self._blocks.seconds)
            pause = min(MAX_POLL_SECONDS, max(MIN_POLL_SECONDS, seconds / POLLS_PER_WINDOW))
            with contextlib.suppress(TimeoutError):
                nonce, end = await asyncio.wait_for(self._announced.get(), pause)
                return self._new(nonce, end, announced=True)
        self._asked_since = connected
        found = []
        try:
            for nonce in await self._chain.open_nonces(self._topic.id):
                if nonce not in self._seen:
                    found += self._new(nonce, await self._chain.window_end(self._topic.id, nonce), announced=False)
        except NotFound:
            pass
        except ChainError as error:
            self._connection.suspect(error)
        return found

    def _new(self, nonce: int, end: int, *, announced: bool) -> list[Window]:
        """The window, unless it was handed out before or cannot be."""
        if self._jumps != self._blocks.jumps:
            self._jumps, self._newest = self._blocks.jumps, 0
            self._seen.clear()
        if nonce in self._seen:
            return []
        if not self._blocks.believes(nonce):
            log.warning("a window that cannot be open yet is not believed", topic=self._topic.id, block=nonce)
            return []
        if announced:
            self._blocks.saw(nonce)
        told = end if end > nonce else 0
        if self.found is not None:
            known = unit_of(self.found, told - nonce if told else 0, self._topic.epoch_blocks, self._blocks.seconds)
            self.unit = known or self.unit
        self._note_gap(nonce)
        self._seen[nonce] = None
        while len(self._seen) > MAX_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return [self._window(nonce, told, announced)]

    def _window(self, nonce: int, told: int, announced: bool) -> Window:
        blocks, by_clock = self._blocks, self.unit is Unit.SECONDS
        end = told or nonce + int(self.window_blocks)
        ends = [blocks.time_of(end)] if told or not by_clock else []
        if by_clock and self.found is not None:
            # Even if blocks are left.
            ends.append(blocks.time_of(nonce) + self.found.window)
        closes = min(ends)
        return Window(nonce, min(end, blocks.height_at(closes)) if by_clock else end, closes, announced, bool(told or self.unit))

    def _note_gap(self, nonce: int) -> None:
        """Windows that came and went unseen are named too."""
        epoch = self.epoch_blocks
        missed = round((nonce - self._newest) / epoch) - 1 if self._newest and epoch and self.unit else 0
        trouble = self._connection.last_problem
        name = trouble.code if trouble else outcomes.UNSEEN
        for number in range(max(1, missed - MAX_NAMED_GAPS + 1), missed + 1):
            unseen = self._newest + round(number * epoch)
            if unseen not in self._seen:
                reason = trouble.message if trouble else "the window was not seen while it was open"
                if number == missed - MAX_NAMED_GAPS + 1 > 1:
                    reason += f", nor were {missed - MAX_NAMED_GAPS} before it"
                self._record(Outcome(self._topic.id, unseen, name, reason=reason))
                self._seen[unseen] = None
        self._newest = max(self._newest, nonce)
