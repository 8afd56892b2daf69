"""An asyncio event loop in simulated time: its timers are the scheduler's, and there are no sockets."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final

from tests.system.month.scheduler import FAR_SECONDS, KilledError, Scheduler

LEAST_SECONDS: Final = 2.0
"""Of a pause: so much later may any timer be."""


class _Selector(selectors.SelectSelector):
    """Waits by letting others run. Nothing is ever readable."""

    def __init__(self, wait: Callable[[float], None]) -> None:
        super().__init__()
        self._wait = wait

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout > 0:
            self._wait(FAR_SECONDS if timeout is None else timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Made and run by a simulated thread. Work for other threads is done at once, for it takes no simulated time.

    While `is_busy` its timers are kept to the second, else they are rounded as every other thread's waiting is.
    """

    def __init__(self, scheduler: Scheduler, is_busy: Callable[[], bool]) -> None:
        self._scheduler = scheduler
        self._is_busy = is_busy
        self._ahead = 0.0
        self._killed = False
        super().__init__(_Selector(self._pass))
        self.thread = scheduler.running
        # Of simulated time. A finer one is lost in numbers as great as the seconds since 1970, and no timer would ever be due.
        self._clock_resolution = 1e-3

    def time(self) -> float:
        return self._scheduler.now_ms / 1000 + self._ahead

    def _pass(self, seconds: float) -> None:
        if self._killed:
            # No time passes for the dead: what they still wait for is over at once.
            self._ahead += max(seconds, LEAST_SECONDS)
            return
        try:
            busy = self._is_busy()
            self._scheduler.wait(max(seconds, LEAST_SECONDS) if busy else seconds, exactly=busy)
        except KilledError:
            self._killed = True
            for task in asyncio.all_tasks(self):
                task.cancel()

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def announce(self, what: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Have a coroutine of this process run, from outside of it; nothing for one that has ended."""
        if not self.is_closed() and not self._killed:
            self.call_soon(lambda: self.create_task(what()))
            self._scheduler.wake(self.thread)

    def run_to_the_end(self, main: Any) -> None:
        """Run a coroutine until it ends or its process is killed, then let nothing of it stay behind."""
        asyncio.set_event_loop(self)
        try:
            self.run_until_complete(main)
        except asyncio.CancelledError:
            pass
        finally:
            left = asyncio.all_tasks(self)
            for task in left:
                task.cancel()
            self.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            asyncio.set_event_loop(None)
            self.close()
