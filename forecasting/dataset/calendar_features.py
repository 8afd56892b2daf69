"""Features that read a candle's open time alone: where in the day and in the week it opens, in UTC."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np

from forecasting.arrays import Floats
from forecasting.dataset.bars import Bars
from node.durations import DAY_MS

WEEK_MS: Final = 7 * DAY_MS
FIRST_MONDAY_MS: Final = 4 * DAY_MS
"""The epoch began on a Thursday."""

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

WAVES: Final[dict[str, Callable[[Floats], Floats]]] = {"sine": np.sin, "cosine": np.cos}


def phase(bars: Bars, period_ms: int, wave: Callable[[Floats], Floats]) -> Floats:
    """Where in the period the candle opens, on a circle."""
    return wave(2 * np.pi * ((bars.open_time % period_ms) / period_ms))


def _weekday(bars: Bars, day: int) -> Floats:
    """1 on this day of the week (Monday is 0) in UTC, 0 on the others."""
    days = (bars.open_time - FIRST_MONDAY_MS) % WEEK_MS // DAY_MS
    return np.where(days == day, 1.0, 0.0)


def _weekend_phase(bars: Bars, times: int, wave: Callable[[Floats], Floats]) -> Floats:
    """Where in the day the candle opens, on Saturday and Sunday, whose days run otherwise; 0 in the week."""
    days_since_monday = (bars.open_time - FIRST_MONDAY_MS) % WEEK_MS // DAY_MS
    return np.where(days_since_monday >= 5, phase(bars, DAY_MS // times, wave), 0.0)


def calendar_features() -> Iterator[tuple[str, Callable[[Bars], Floats]]]:
    """Yield the name and the function of each. None needs a candle before its own."""
    for name, wave in WAVES.items():
        yield f"day_{name}", partial(phase, period_ms=DAY_MS, wave=wave)
    for name, wave in WAVES.items():
        yield f"week_{name}", partial(phase, period_ms=WEEK_MS, wave=wave)
    for times in (2, 3, 4):
        for name, wave in WAVES.items():
            yield f"day_{name}_{times}", partial(phase, period_ms=DAY_MS // times, wave=wave)
    for times in (1, 2, 3, 4):
        for name, wave in WAVES.items():
            yield f"weekend_{name}_{times}", partial(_weekend_phase, times=times, wave=wave)
    for day, name in enumerate(WEEKDAYS):
        yield name, partial(_weekday, day=day)
