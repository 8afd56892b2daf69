"""An exchange's rate limits: the silence it asks for, and the request weight it counts.

Binance counts the weight of requests in a minute and tells it with every answer; beyond the limit it answers 429, and 418 with a
ban to whoever goes on. Limits as of 2026: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits
"""

from __future__ import annotations

import re
import threading
from typing import Final, NoReturn

import structlog

from market.bounded_http import Answer
from node.clock import Clock, Pause
from node.durations import DAY_MS, MINUTE_MS, SECOND_MS
from node.errors import RateLimitedError

log = structlog.get_logger(__name__)

WEIGHT_PAUSE: Final = 5_400
"""Used weight, of 6000 a minute, at which the client waits for the next minute."""

MAX_WEIGHT_WAIT_SECONDS: Final = 15.0
MAX_BAN_MS: Final = 3 * DAY_MS

UNSAID_MS: Final = {429: 60 * SECOND_MS, 418: 120 * SECOND_MS}
"""How long to be silent if the exchange does not say, by the status of its answer."""

_BANNED_UNTIL: Final = re.compile(r"banned until (\d{12,14})")


class Silence:
    """A time in which nothing may be asked of an exchange; threads may share one."""

    def __init__(self, clock: Clock, limit: str) -> None:
        """`limit` names the limit in messages, such as "the exchange's rate limit"."""
        self._pause = Pause(clock)
        self._limit = limit

    @property
    def left_seconds(self) -> float:
        """How long it still lasts; 0 if it does not."""
        return self._pause.left_ms / SECOND_MS

    def check(self) -> None:
        """RateLimitedError while it lasts."""
        left_ms = self._pause.left_ms
        if left_ms > 0:
            message = f"{self._limit} holds for another {left_ms / 1000:.0f} s"
            raise RateLimitedError(message, retry_after=left_ms / 1000)

    def begin(self, wait_ms: int, message: str, hint: str = "") -> NoReturn:
        """Ask nothing for so long; always raises the RateLimitedError with this message."""
        self._pause.begin(wait_ms)
        raise RateLimitedError(message, retry_after=wait_ms / 1000, hint=hint)


class RequestWeight:
    """The request weight that Binance has counted in the present minute."""

    def __init__(self, clock: Clock) -> None:
        self.used = 0
        """As it stood in the newest answer that told it."""
        self._minute = 0
        self._clock = clock

    @property
    def is_used_up(self) -> bool:
        """Nearly: what is left is for requests that are on their way."""
        return self.used >= WEIGHT_PAUSE and self._minute == self._clock.now_ms() // MINUTE_MS

    def follow(self, answer: Answer) -> None:
        """Take the weight from an answer's header, if it tells it."""
        header = answer.headers.get("X-MBX-USED-WEIGHT-1M", "")
        if header.isdecimal():
            self.used, self._minute = int(header[:9]), self._clock.now_ms() // MINUTE_MS

    def wait(self, closed: threading.Event) -> None:
        """Wait for the next minute where the weight is used up; not after `closed`."""
        if self.is_used_up:
            log.info("request weight is nearly used up, waiting for the next minute", used=self.used)
            left_seconds = (MINUTE_MS - self._clock.now_ms() % MINUTE_MS) / 1000
            self._clock.wait(min(left_seconds, MAX_WEIGHT_WAIT_SECONDS), closed)


def read_ban_ms(answer: Answer, message: str, now_ms: int) -> int:
    """How long Binance wants us silent, from the answer's header, its message, or else its status: a second at least."""
    header, banned = answer.headers.get("Retry-After", "").strip(), _BANNED_UNTIL.search(message)
    if header.isdecimal():
        wait_ms = int(header[:9]) * SECOND_MS
    else:
        wait_ms = _until(int(banned[1]), answer, now_ms) if banned else UNSAID_MS[answer.status]
    return min(max(wait_ms, SECOND_MS), MAX_BAN_MS)


def _until(end_ms: int, answer: Answer, now_ms: int) -> int:
    """Milliseconds until the exchange's clock shows `end_ms`; this machine's clock may be far from it, and so may a Date."""
    return min((end_ms - each for each in (now_ms, answer.sent_ms) if each is not None and each < end_ms), default=0)
