"""Intervals that follow the errors of the last days: their scale, from errors that are already known.

After every actual value outside its interval the interval grows, after every one inside it shrinks a little, in such a measure
that both balance where as many lie inside as promised. The step is taken on the log of the scale, and only when an actual value is
known, a horizon after its forecast.

Nothing is carried from one moment to the next. What holds at a moment is worked out from nothing (scale 1) over the errors of
a bounded past, so that a backtest, a node that has run for a year and one that has just been started say the same. That past begins
at fixed times, since neighbouring moments then share the work; it is so long that its beginning no longer matters.

Sources: I. Gibbs and E. Candès, "Adaptive conformal inference under distribution shift", 2021; A. Angelopoulos, E. Candès and
R. Tibshirani, "Conformal PID control for time series prediction", 2023 (quantile tracking).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecasting.arrays import Floats, Integers
from forecasting.dataset.signature import Signature
from forecasting.prediction.conformal import LEVELS
from node.durations import HOUR_MS

PLACES_PER_HORIZON: Final = 4
"""Errors counted in a horizon: its neighbours overlap, and say nearly the same."""

MIN_HORIZON_GAIN, MAX_HORIZON_GAIN = 0.1, 0.5
"""Bounds of what a horizon of misses adds to the log of a scale, which is the former for an hour and grows with its root: where a
month holds few horizons, being late costs more than being nervous."""

PATIENCE: Final = 20
"""Sum that the past that is looked at would reach, were it all misses: many times more than any log of a scale."""

BLOCKS: Final = 4
"""A past begins anew as often within the length of one."""

MIN_CONFORMITY_SCORE: Final = 1e-9
"""Stands for a score of zero, which has no log."""

_OUTSIDE: Final = 1 - np.array(LEVELS) / 100


@dataclass(frozen=True, slots=True)
class AdaptationRate:
    """The rate at which errors are followed at one horizon. Places are moments `stride_ms` apart, counted since the epoch."""

    stride_ms: int
    delay: int
    """Places after which an actual value is known."""
    gain: float
    """Amount that a miss adds to the log of the scale."""
    block: int
    """Places that share the beginning of their past."""
    memory: int
    """Places that each past reaches back at least."""

    @classmethod
    def of(cls, signature: Signature) -> AdaptationRate:
        """For the horizon and the candles of a model."""
        stride = max(1, signature.steps // PLACES_PER_HORIZON)
        horizons = min(MAX_HORIZON_GAIN, max(MIN_HORIZON_GAIN, MIN_HORIZON_GAIN * math.sqrt(signature.horizon.ms / HOUR_MS)))
        gain = horizons * stride / signature.steps
        memory = math.ceil(PATIENCE / gain)
        return cls(stride * signature.interval.ms, math.ceil(signature.steps / stride), gain, memory // BLOCKS, memory)

    def place(self, times: Integers) -> Integers:
        """The newest place at each time [n], in milliseconds UTC."""
        return times // self.stride_ms

    def start(self, places: Integers) -> Integers:
        """Where the past of each place begins."""
        return places // self.block * self.block - self.memory

    def counts(self, times: Integers) -> npt.NDArray[np.bool_]:
        """Whether the error of a forecast made at each time [n] is one that is counted."""
        counted: npt.NDArray[np.bool_] = times % self.stride_ms == 0
        return counted

    def interval_scales(self, places: Integers, errors_at: Integers, conformity_scores: Floats) -> Floats:
        """Return the scale of the interval of each of LEVELS at these places, [n, 3].

        `conformity_scores` [m, 3] is the scale at which each interval would just have held the actual value of the forecast made
        at each of the places `errors_at` [m], ascending. What lies less than `delay` before a place has no say in it.
        """
        starts, which = np.unique(self.start(places), return_inverse=True)
        length = int((places - starts[which]).max()) + 1
        needed_logs = _spread_out(
            starts + np.arange(length)[:, np.newaxis], errors_at, np.log(np.maximum(conformity_scores, MIN_CONFORMITY_SCORE))
        )
        inside = np.where(np.isnan(needed_logs), 0.0, -self.gain * _OUTSIDE)
        miss = np.where(np.isnan(needed_logs), 0.0, self.gain)
        logs = np.zeros_like(needed_logs)
        for now in range(self.delay, length):
            then = now - self.delay
            logs[now] = logs[now - 1] + inside[then] + miss[then] * (needed_logs[then] > logs[then])
        interval_scales: Floats = np.exp(logs[places - starts[which], which])
        return interval_scales


def _spread_out(places: Integers, errors_at: Integers, conformity_scores: Floats) -> Floats:
    """Return the scores at each of these places, of any shape [...]: shape [..., 3], NaN where there is none."""
    found = np.searchsorted(errors_at, places)
    there = np.isin(places, errors_at)
    with_nothing = np.concatenate((conformity_scores, np.full((1, len(LEVELS)), np.nan)))
    spread: Floats = with_nothing[np.where(there, found, len(conformity_scores))]
    return spread
