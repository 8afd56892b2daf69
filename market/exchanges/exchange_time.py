"""What time it is, where this machine's clock and an answer's Date do not agree: the exchange's own time decides.

A Date may be old, because a cache along the way has kept the answer, and a clock may be wrong. One of them alone proves nothing, so
the exchange is asked for its time; whichever of the two it agrees with is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from market.bounded_http import Answer, earlier
from node.clock import Clock, Pause
from node.durations import MINUTE_MS, SECOND_MS
from node.errors import MarketError

log = structlog.get_logger(__name__)

OFF_MS: Final = 30 * SECOND_MS
"""Times that differ by more, whatever the answer's way here took, are not the same time."""

ASK_AGAIN_MS: Final = MINUTE_MS


class ExchangeTime:
    """Compares clocks; `ask` brings the exchange's own time in milliseconds UTC."""

    def __init__(self, clock: Clock, ask: Callable[[], int]) -> None:
        self._clock = clock
        self._ask = ask
        self._asked = Pause(clock)
        self._beyond_passing_ms: int | None = None
        """The exchange's time less that which passes here, as it was when it was last asked; None if it did not say."""

    def closed_by(self, answer: Answer) -> int:
        """The time by which a candle of `answer` must have closed; says so if this machine's clock is wrong."""
        now_ms, sent_ms = self._clock.now_ms(), answer.sent_ms
        if sent_ms is None or abs(now_ms - sent_ms) <= OFF_MS:
            return earlier(now_ms, answer)
        exchange_ms = self._exchange_ms()
        if exchange_ms is None:
            return earlier(now_ms, answer)
        if abs(exchange_ms - now_ms) <= OFF_MS:
            log.debug("an answer of the exchange has an old date", seconds=(now_ms - sent_ms) // SECOND_MS)
            return min(now_ms, exchange_ms)
        if abs(exchange_ms - sent_ms) <= OFF_MS:
            ahead_ms = now_ms - exchange_ms
            how = "ahead of" if ahead_ms > 0 else "behind"
            log.warning("this machine's clock is wrong", reason=f"{abs(ahead_ms) // SECOND_MS} s {how} the exchange's")
        return min(earlier(now_ms, answer), exchange_ms)

    def _exchange_ms(self) -> int | None:
        """The exchange's time, asked for once a minute at most; None if it cannot be had."""
        if not self._asked.lasts:
            self._asked.begin(ASK_AGAIN_MS)
            try:
                self._beyond_passing_ms = self._ask() - self._clock.monotonic_ms()
            except MarketError:
                self._beyond_passing_ms = None
        return None if self._beyond_passing_ms is None else self._beyond_passing_ms + self._clock.monotonic_ms()
