"""The one source of time. It is passed in; nothing else in the node asks what time it is.

What time it is may be wrong, and be put right in one step, by a day or by years. So how long something lasts is never told from it:
a `Pause` goes by the time that passes.
"""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol

_PASSING: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's monotonic clock stands still while the machine sleeps, the other one does not."""


class Clock(Protocol):
    """UTC milliseconds since the epoch, and a wait that a stop event can cut short."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds that have passed since some moment, the machine's sleep included: whoever sets the time changes nothing."""
        ...

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait up to `seconds`; True as soon as `stop` is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.clock_gettime_ns(_PASSING) // 1_000_000

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait(max(0.0, seconds))


class ManualClock:
    """A clock that moves only when told to, for tests and simulated runs. Waiting advances it at once."""

    def __init__(self, now_ms: int = 1_750_000_020_000) -> None:
        self._now_ms = now_ms
        self._passed_ms = 0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> int:
        return self._passed_ms

    def advance(self, seconds: float) -> None:
        """Let time pass; a negative number sets the clock back, and no time passes."""
        self._now_ms += round(seconds * 1000)
        self._passed_ms += max(0, round(seconds * 1000))

    def set_ahead(self, seconds: float) -> None:
        """Set it by so much, back if negative, while no time passes."""
        self._now_ms += round(seconds * 1000)

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        if not stop.is_set():
            self.advance(max(0.0, seconds))
        return stop.is_set()


class Pause:
    """For how long something is left alone. It has not begun when it is made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_ms: int | None = None

    def begin(self, milliseconds: float) -> None:
        """Last so long from now on; one that would last longer already stays as it is."""
        self._until_ms = max(self._until_ms or 0, self._clock.monotonic_ms() + round(milliseconds))

    def end(self) -> None:
        """Last no longer."""
        self._until_ms = None

    @property
    def left_ms(self) -> int:
        """Milliseconds until it is over; 0 once it is."""
        return 0 if self._until_ms is None else max(0, self._until_ms - self._clock.monotonic_ms())

    @property
    def lasts(self) -> bool:
        return self.left_ms > 0
