"""Keeping a working connection to the chain, and saying in plain words when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from node.errors import ChainApiError, ChainError, ChainUnreachableError, WrongChainError
from worker.blocks import Blocks
from worker.chain import Chain
from worker.metrics import Metrics

log = structlog.get_logger("worker")

FIRST_PAUSE: Final = 1.0
MAX_PAUSE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds until the next try, by what went wrong. An operator's mistake or an update to be made is asked about seldom."""

    api: float = 300.0
    wrong_chain: float = 60.0
    topic: float = 600.0
    again: float = 10.0
    check: float = 24 * 3600.0
    watch: float = 5.0
    rehearsal: float = 240.0


class Connection:
    """Opens the chain, follows its blocks, and opens it again, at the next node, when it is lost."""

    def __init__(
        self,
        chain: Chain,
        blocks: Blocks,
        metrics: Metrics,
        probe_topic: int,
        on_window: Callable[[int, int, int], None],
        pauses: Pauses,
    ) -> None:
        self.problem: ChainError | None = ChainUnreachableError("the chain was not reached yet")
        self.last_problem: ChainError | None = None
        self._suspected: ChainError | None = None
        self._chain = chain
        self._blocks = blocks
        self._metrics = metrics
        self._probe_topic = probe_topic
        self._on_window = on_window
        self._pauses = pauses
        self._open = asyncio.Event()
        self.opened_at_height = 0

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    async def opened(self, seconds: float | None = None) -> bool:
        """Wait until the chain is there; False if it was not within `seconds`."""
        try:
            await asyncio.wait_for(self._open.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Hold the connection until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._chain.open(self._probe_topic)
                await self._chain.on_window(self._on_window)
                height, time = await self._chain.block()
                self._blocks.saw_header(height, time)
                self.opened_at_height = self._blocks.height
                self._came_back()
                pause = FIRST_PAUSE
                await self._follow_blocks()
            except ChainError as error:
                self._lost(error)
                await asyncio.sleep(self._pause_after(error, pause))
                pause = min(MAX_PAUSE_SECONDS, pause * 2)

    def _pause_after(self, error: ChainError, pause: float) -> float:
        if isinstance(error, ChainApiError):
            return self._pauses.api
        return self._pauses.wrong_chain if isinstance(error, WrongChainError) else pause

    async def _follow_blocks(self) -> None:
        """Ask for the newest block now and then; its errors end the connection."""
        while True:
            # The pace is needed soon; later a look now and then is enough.
            await asyncio.sleep(self._pauses.watch if self._blocks.known_pace else 0.5)
            if isinstance(self._suspected, ChainApiError):
                raise self._suspected
            height, time = await self._chain.block()
            if self._blocks.saw_header(height, time):
                self._metrics.height.set(height)

    def suspect(self, error: ChainError) -> None:
        """A query failed: note why, so that a window which is missed for it can say so, and look closer."""
        self.last_problem = self._suspected = error

    def _came_back(self) -> None:
        if self.last_problem is not None or self.problem is not None:
            log.info("the chain is there", node=self._chain.url, block=self._blocks.height)
        self.problem = self._suspected = None
        self._metrics.connected.set(1)
        self._open.set()

    def _lost(self, error: ChainError) -> None:
        if self.problem is None or self.problem.message != error.message:
            log.warning("no chain, trying again", node=self._chain.url, error=error)
        self._metrics.chain.labels(error.code).inc()
        self._metrics.connected.set(0)
        self.problem = self.last_problem = error
        self._open.clear()
