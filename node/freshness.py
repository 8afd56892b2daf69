"""When the next candle is due, and for how long it has been overdue: one formula for every process and every metric."""

from __future__ import annotations

from node.durations import Interval


def next_close_ms(newest_ms: int, interval: Interval) -> int:
    """When the candle after the newest one closes, UTC milliseconds. `newest_ms` is the open time of the newest candle.

    Before that moment nobody could have the next candle, so nothing is overdue.
    """
    return newest_ms + 2 * interval.ms


def overdue_ms(newest_ms: int, interval: Interval, now_ms: int) -> int:
    """Milliseconds since the candle after the newest one closed; 0 if it has not closed yet."""
    return max(0, now_ms - next_close_ms(newest_ms, interval))
