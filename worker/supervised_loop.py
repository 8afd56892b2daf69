"""Loops that run as long as the worker: none ends without a word, and one that fails is started again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from worker.metrics import Metrics

log = structlog.get_logger("worker")

AGAIN_SECONDS: Final = 2.0
WELL_SECONDS: Final = 60.0
"""A loop that has run for so long since it failed is well again."""


class SupervisedLoop:
    """Runs `work` until cancelled. Make it in a running event loop."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
        self.name = name
        self._work = work
        self._metrics = metrics
        self._problem: str | None = None
        self._began = 0.0
        self.task = asyncio.create_task(self._run(), name=name)

    @property
    def problem(self) -> str | None:
        """Why it does not run, or failed just now; None if it is well."""
        if self.task.done():
            return "ended"
        return self._problem

    async def _run(self) -> None:
        while True:
            recovery = asyncio.get_running_loop().call_later(WELL_SECONDS, self._forget)
            try:
                await self._work()
                self._fail("it ended by itself")
            except Exception as error:
                log.exception("a task of the worker failed, starting it again", task=self.name)
                self._fail(f"failed: {type(error).__name__}: {error}")
            finally:
                recovery.cancel()
            await asyncio.sleep(AGAIN_SECONDS)

    def _fail(self, problem: str) -> None:
        self._problem = problem
        self._metrics.task_failures.inc()

    def _forget(self) -> None:
        self._problem = None
