"""Gaps: candles that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from node.durations import Interval


@dataclass(frozen=True, order=True, slots=True)
class Gap:
    """Candles that are not there: open times from `start_ms` to `end_ms`, both included."""

    start_ms: int
    end_ms: int


def join_gaps(halts: list[Gap]) -> list[Gap]:
    """Sorted halts with those that overlap made into one."""
    joined: list[Gap] = []
    for halt in halts:
        if joined and halt.start_ms <= joined[-1].end_ms:
            joined[-1] = Gap(joined[-1].start_ms, max(joined[-1].end_ms, halt.end_ms))
        else:
            joined.append(halt)
    return joined


def find_runs(missing: npt.NDArray[np.int64], interval: Interval) -> Iterator[Gap]:
    """Consecutive open times as gaps."""
    breaks = np.flatnonzero(np.diff(missing) != interval.ms) + 1
    for run in np.split(missing, breaks):
        if len(run):
            yield Gap(int(run[0]), int(run[-1]))
