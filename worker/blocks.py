"""The chain's own clock: which block it is at, and how long a block takes."""

from __future__ import annotations

import asyncio
from typing import Final

USUAL_SECONDS: Final = 5.0
"""Sixty blocks of the network are about five minutes."""

SHORTEST: Final = 0.05
LONGEST: Final = 30.0
WEIGHT: Final = 0.3


class Blocks:
    """Heights as they are seen, and the pace between them. Call it in a running event loop."""

    def __init__(self) -> None:
        self.seconds = USUAL_SECONDS
        self.known_pace = False
        self._height = 0
        self._seen = 0.0
        self._header: tuple[int, float] | None = None

    @property
    def height(self) -> int:
        """The height now: the newest seen, and those that the pace says have come since, but never more than ten."""
        if not self._height:
            return 0
        since = asyncio.get_running_loop().time() - self._seen
        return self._height + min(10, int(since / self.seconds))

    def saw(self, height: int) -> None:
        """A block was just announced."""
        if height > self._height:
            self._height = height
            self._seen = asyncio.get_running_loop().time()

    def saw_header(self, height: int, time: float) -> None:
        """The newest block's height and its own time in seconds; two of them give the pace."""
        if self._header is not None and height > self._header[0]:
            pace = (time - self._header[1]) / (height - self._header[0])
            pace = min(LONGEST, max(SHORTEST, pace))
            self.seconds = pace if not self.known_pace else (1 - WEIGHT) * self.seconds + WEIGHT * pace
            self.known_pace = True
        if self._header is None or height > self._header[0]:
            self._header = (height, time)
        self.saw(height)

    def time_of(self, height: int) -> float:
        """Event loop time at which that block is due."""
        return self._seen + (height - self._height) * self.seconds

    async def pause(self, blocks: float = 1.0) -> None:
        """Wait about as long as so many blocks take."""
        await asyncio.sleep(max(SHORTEST, blocks * self.seconds))
