"""A loop that somebody watches: after whatever goes wrong it begins again, and it is known when it has ended all the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from node.clock import Clock

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 5.0
"""Between a fault and the next beginning."""


class Loop:
    """`body` on a thread of its own until `stop` is set, begun again whenever it fails or returns before that."""

    def __init__(self, name: str, body: Callable[[], None], clock: Clock, stop: threading.Event) -> None:
        self.name = name
        self._body = body
        self._clock = clock
        self._stop = stop
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for its end, but no longer than `seconds`; at once if it was never begun."""
        if self._thread.ident is not None:
            self._thread.join(timeout=seconds)

    @property
    def alive(self) -> bool:
        """False once it has ended though it was not told to: only what is no Exception can do that."""
        return self._thread.ident is None or self._thread.is_alive() or self._stop.is_set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._body()
            except Exception as error:
                log.exception("loop failed, starting it again", loop=self.name, error=error)
                self._clock.wait(PAUSE_SECONDS, self._stop)


def ended(loops: Iterable[Loop]) -> str:
    """Names of the loops that have ended though they should run, empty if none has."""
    return ", ".join(loop.name for loop in loops if not loop.alive)
