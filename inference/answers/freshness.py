"""When an answer is too old to be served: once a candle that it rests on is overdue for longer than the operator allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node import freshness
from node.durations import SECOND_MS, Duration, Interval
from node.errors import NotReadyError
from node.topics import Topic

RETRY_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Source:
    """Candles an answer rests on, and the open time of the newest that is stored."""

    symbol: str
    interval: Interval
    newest: int | None

    @property
    def next_close_ms(self) -> int:
        """The moment at which the candle after the newest closes; 0, which is long ago, if there is none."""
        return 0 if self.newest is None else freshness.next_close_ms(self.newest, self.interval)


@dataclass(frozen=True, slots=True)
class Freshness:
    """Until when an answer that rests on `sources` may be served. `stale_after` is `inference.staleAfter` of config.json."""

    sources: tuple[Source, ...]
    stale_after: Duration

    @property
    def oldest(self) -> Source:
        """The candles whose next one is due first."""
        return min(self.sources, key=lambda source: source.next_close_ms)

    @property
    def expires_ms(self) -> int:
        """The last moment at which the answer may be served, UTC milliseconds."""
        return self.oldest.next_close_ms + self.stale_after.ms

    def is_stale(self, now_ms: int) -> bool:
        """Whether a candle is overdue for too long."""
        return now_ms > self.expires_ms

    def overdue_ms(self, now_ms: int) -> int | None:
        """Milliseconds since the next candle was due, 0 if it is not yet; None while there are no candles of some source."""
        if any(source.newest is None for source in self.sources):
            return None
        return max(0, now_ms - self.oldest.next_close_ms)

    def refusal(self, topic: Topic, now_ms: int) -> NotReadyError:
        """The error for a topic whose answer is stale: it names the candle that is missing."""
        oldest = self.oldest
        overdue = (now_ms - oldest.next_close_ms) // SECOND_MS
        message = (
            f"{topic}: the next {oldest.interval} candle of {oldest.symbol} is {overdue} s overdue, "
            f"and answers stop after {self.stale_after.seconds:.0f} s"
        )
        return NotReadyError(message, retry_after=RETRY_SECONDS, hint="Is the updater running, and the exchange reachable?")
