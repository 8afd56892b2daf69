"""The next candle is due when it closes, and overdue from then on."""

from __future__ import annotations

import pytest

from node.durations import HOUR_MS, MINUTE_MS, Interval
from node.freshness import next_close_ms, overdue_ms


@pytest.mark.parametrize(("interval", "length_ms"), [(Interval.MINUTE, MINUTE_MS), (Interval.HOUR, HOUR_MS)])
def test_the_candle_after_the_newest_closes_two_lengths_after_the_newest_opened(interval: Interval, length_ms: int) -> None:
    assert next_close_ms(7 * length_ms, interval) == 9 * length_ms


@pytest.mark.parametrize(("late_ms", "overdue"), [(-MINUTE_MS, 0), (0, 0), (1, 1), (HOUR_MS, HOUR_MS)])
def test_nothing_is_overdue_before_anybody_could_have_it(late_ms: int, overdue: int) -> None:
    newest_ms = 1_750_003_200_000
    now_ms = next_close_ms(newest_ms, Interval.MINUTE) + late_ms
    assert overdue_ms(newest_ms, Interval.MINUTE, now_ms) == overdue
