"""The chain's own clock: which block it is at, how long a block takes, and when a block was or will be made.

Heights are believed from headers. One that does not follow from the headers before it is doubted until a second one agrees with
it: a single wrong answer moves nothing, and a chain that starts again lower is followed all the same. What a websocket announces
may run a little ahead of the headers, and no further.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

log = structlog.get_logger("worker")

USUAL_SECONDS: Final = 5.0
"""Sixty blocks of the network are about five minutes."""

SHORTEST: Final = 0.05
LONGEST: Final = 30.0
WEIGHT: Final = 0.3
MAX_AHEAD_BLOCKS: Final = 20
"""So many blocks more than the pace says may have been made; an announcement or a header beyond is doubted."""

MAX_BEHIND_BLOCKS: Final = 20
"""So far behind may one of a provider's nodes be; a header below is doubted."""

MAX_AHEAD_SECONDS: Final = 120.0
"""A header's time runs with this machine's; one that is further ahead is doubted."""


@dataclass(frozen=True, slots=True)
class Header:
    """A block's height and its own time (seconds since 1970), and the event loop's time at which it was seen."""

    height: int
    time: float
    seen: float


class Blocks:
    """Heights as they are seen, and the pace between them. Call it in a running event loop."""

    def __init__(self) -> None:
        self.seconds = USUAL_SECONDS
        self.known_pace = False
        self.jumps = 0
        """How often the chain turned out to be somewhere else than it should be: what is remembered by height is void then."""
        self._height = 0
        self._seen = 0.0
        self._header: Header | None = None
        self._doubted: Header | None = None

    @property
    def height(self) -> int:
        """The height now: the newest seen, and those that the pace says have come since, but never more than ten."""
        if not self._height:
            return 0
        since = asyncio.get_running_loop().time() - self._seen
        return self._height + min(10, int(since / self.seconds))

    def believes(self, height: int) -> bool:
        """Whether a block of that height can exist by now; never before the first header."""
        now = asyncio.get_running_loop().time()
        return self._header is not None and 0 < height <= self._furthest(
            max(self._header.height, self._height), now - self._header.seen
        )

    def saw(self, height: int) -> None:
        """A block was just announced."""
        if height > self._height and self.believes(height):
            self._height = height
            self._seen = asyncio.get_running_loop().time()

    def saw_header(self, height: int, time: float) -> bool:
        """The newest block's height and its own time in seconds; two of them give the pace. False for one that is doubted."""
        found = Header(height, time, asyncio.get_running_loop().time())
        if self._header is None:
            self._take(found)
        elif self._follows(self._header, found):
            self._doubted = None
            if height > self._header.height:
                self._measure(self._header, found)
                self._take(found)
        elif self._doubted is not None and self._follows(self._doubted, found):
            log.warning("the chain is at another height than it was", before=self._header.height, block=height)
            self.jumps += 1
            self._doubted, self._height = None, 0
            self._take(found)
        else:
            self._doubted = found
            return False
        return True

    def _furthest(self, height: int, seconds: float) -> float:
        """Height that a chain which was at `height` cannot pass within `seconds`: twice the pace is allowed."""
        return height + MAX_AHEAD_BLOCKS + 2 * seconds / self.seconds

    def _follows(self, before: Header, found: Header) -> bool:
        if not before.height - MAX_BEHIND_BLOCKS <= found.height <= self._furthest(before.height, found.seen - before.seen):
            return False
        latest = before.time + (found.seen - before.seen) + MAX_AHEAD_SECONDS
        # A node behind the others has an older newest block.
        return found.time <= latest if found.height <= before.height else before.time <= found.time <= latest

    def _measure(self, before: Header, found: Header) -> None:
        pace = min(LONGEST, max(SHORTEST, (found.time - before.time) / (found.height - before.height)))
        self.seconds = pace if not self.known_pace else (1 - WEIGHT) * self.seconds + WEIGHT * pace
        self.known_pace = True

    def _take(self, found: Header) -> None:
        self._header = found
        if found.height > self._height:
            self._height, self._seen = found.height, found.seen

    def time_of(self, height: int) -> float:
        """Event loop time at which that block is due."""
        return self._seen + (height - self._height) * self.seconds

    def height_at(self, moment: float) -> int:
        """The last block that is due by `moment` (event loop time)."""
        return self._height + int((moment - self._seen) // self.seconds)

    def header_time(self, height: int) -> float | None:
        """About what stands in that block's header, in seconds since 1970, by a known header and the pace; None without one."""
        return None if self._header is None else self._header.time + (height - self._header.height) * self.seconds

    def may_have_had(self, height: int, time: float) -> bool:
        """Whether that can be the time in the header of a block about as new as the newest known one."""
        if self._header is None:
            return False
        blocks, seconds = self._header.height - height, self._header.time - time
        if blocks >= 0:
            return -1.0 <= seconds <= blocks * LONGEST + MAX_AHEAD_SECONDS
        return -seconds <= -blocks * LONGEST + MAX_AHEAD_SECONDS and seconds <= 1.0

    async def pause(self, blocks: float = 1.0) -> None:
        """Wait about as long as so many blocks take."""
        await asyncio.sleep(max(SHORTEST, blocks * self.seconds))
