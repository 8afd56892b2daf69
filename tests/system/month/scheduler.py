"""One simulated time for threads, event loops and whatever else is to happen: nobody sleeps, and only one runs at a time.

A thread that waits parks itself; the scheduler then takes whoever is due next, and sets the time to that moment. So a month passes
as fast as there is work to do in it, and the same work is done in the same order each time.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

STUCK_SECONDS: Final = 300.0
"""Of real time, after which a thread that neither waits nor ends is no simulation any more."""

FAR_SECONDS: Final = 1e12

Rounding = Callable[[int, str], int]
"""When the thread of some name that wants to go on at one moment really does: never earlier."""


class KilledError(BaseException):
    """Ends a thread of a process that was killed: it passes every `except Exception`."""


@dataclass
class Process:
    """Threads that are killed together."""

    name: str
    dead: bool = False
    fuse: int | None = None
    """How often its threads may still look at the clock before they are killed; None: for ever."""
    threads: list[SimulatedThread] = field(default_factory=list)

    def look_at_clock(self) -> None:
        """KilledError if it is dead, or dies of this."""
        if self.fuse is not None:
            self.fuse -= 1
            self.dead = self.dead or self.fuse < 0
        if self.dead:
            raise KilledError


class SimulatedThread(threading.Thread):
    """Stands where the node's modules expect `threading.Thread`: runs only when the scheduler lets it."""

    scheduler: Scheduler
    """Set on a class of each scheduler's own, for the node's code passes none."""

    def __init__(self, *, target: Callable[[], Any], name: str, daemon: bool = True, process: Process | None = None) -> None:
        super().__init__(target=target, name=name, daemon=daemon)
        self.process = process or self.scheduler.running.process
        self.go = threading.Semaphore(0)

    def start(self) -> None:
        self.process.threads.append(self)
        self.scheduler.call_at(self.scheduler.now_ms, self)
        super().start()

    def run(self) -> None:
        self.go.acquire()
        try:
            self.process.look_at_clock()
            super().run()
        except KilledError:
            """It was meant to."""
        finally:
            self.process.threads.remove(self)
            self.scheduler.turn.release()


class Scheduler:
    """Owns the time, in milliseconds, and everybody's turns."""

    def __init__(self, now_ms: int, rounding: Rounding = lambda at_ms, _: at_ms) -> None:
        self.now_ms = now_ms
        self.turn = threading.Semaphore(0)
        self.thread_type = type("Thread", (SimulatedThread,), {"scheduler": self})
        self._rounding = rounding
        self._due: list[tuple[int, int, SimulatedThread | Callable[[], None]]] = []
        self._number = itertools.count()
        self._waiting: dict[SimulatedThread, int] = {}
        """The number under which each thread is awaited; an entry of another number was overtaken by a call."""

    @property
    def running(self) -> SimulatedThread:
        """The thread whose turn it is, asked by itself."""
        thread = threading.current_thread()
        if not isinstance(thread, SimulatedThread):
            raise TypeError(f"{thread.name} is no simulated thread and cannot wait")
        return thread

    def look_at_clock(self) -> None:
        """Where a thread of a dying process dies; nothing for the test's own."""
        thread = threading.current_thread()
        if isinstance(thread, SimulatedThread):
            thread.process.look_at_clock()

    def call_at(self, at_ms: int, what: SimulatedThread | Callable[[], None]) -> None:
        """Let a thread go on, or a function be called, at that moment; what is due together goes in the order of the calls."""
        number = next(self._number)
        if isinstance(what, SimulatedThread):
            self._waiting[what] = number
        heapq.heappush(self._due, (max(at_ms, self.now_ms), number, what))

    def wait(self, seconds: float, *, exactly: bool = False) -> None:
        """Let others run until `seconds` have passed; only called by a simulated thread."""
        # Whole milliseconds, and never none: a timer that is due in less would be asked about for ever.
        at_ms = self.now_ms + max(1, math.ceil(min(seconds, FAR_SECONDS) * 1000))
        thread = self.running
        self.call_at(at_ms if exactly else self._rounding(at_ms, thread.name), thread)
        self.turn.release()
        thread.go.acquire()
        thread.process.look_at_clock()

    def wake(self, thread: SimulatedThread) -> None:
        """Whatever it waits for, it goes on now."""
        if thread.is_alive():
            self.call_at(self.now_ms, thread)

    def run_until(self, end_ms: int) -> None:
        """Let everything happen that is due before `end_ms`. What a called function raises comes out of here."""
        while self._due and self._due[0][0] < end_ms:
            at_ms, number, what = heapq.heappop(self._due)
            if not isinstance(what, SimulatedThread):
                self.now_ms = at_ms
                what()
            elif self._waiting.get(what) == number:
                self.now_ms = at_ms
                self._let_run(what)
        self.now_ms = end_ms

    def kill(self, process: Process) -> None:
        """Its threads end where they wait, one after the other; only called between turns."""
        process.dead = True
        for thread in list(process.threads):
            self._let_run(thread)
            thread.join(STUCK_SECONDS)

    def _let_run(self, thread: SimulatedThread) -> None:
        self._waiting.pop(thread, None)
        thread.go.release()
        if not self.turn.acquire(timeout=STUCK_SECONDS):
            raise RuntimeError(f"{thread.name} neither waits nor ends")


class SimulatedClock:
    """The clock of a machine: the scheduler's time, but for how far the machine's clock is off."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.ahead_ms = 0

    def now_ms(self) -> int:
        self._scheduler.look_at_clock()
        return self._scheduler.now_ms + self.ahead_ms

    def monotonic_ms(self) -> int:
        self._scheduler.look_at_clock()
        return self._scheduler.now_ms

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        if not stop.is_set():
            self._scheduler.wait(seconds)
        return stop.is_set()


class TrueClock:
    """The time that an exchange and a chain have."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def now_ms(self) -> int:
        return self._scheduler.now_ms

    def monotonic_ms(self) -> int:
        return self._scheduler.now_ms

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        raise NotImplementedError("nobody waits by this clock")
