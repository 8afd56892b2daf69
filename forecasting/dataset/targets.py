"""Targets are what is forecast, beside the baseline that forecasts are measured against, in model space.

| target | model space | baseline | scale |
|---|---|---|---|
| price, log_return | log return over the horizon | 0: the last price stays | deviation of such a return, trailing |
| volatility | log of the volatility per bar over the horizon | the same over the span until now | 1 |

Per bar is how models have always learned it; where it leaves model space it becomes the network's unit, so that checkpoints and
ledgers from before that unit was known stay what they are.

A model forecasts `baseline + shrinkage weight × scale × network`, so that a network without skill leaves the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from forecasting.arrays import Floats
from forecasting.dataset.bars import Bars, lag, standard_deviation
from forecasting.dataset.feature_catalogue import deviation
from forecasting.dataset.signature import Signature
from forecasting.dataset.volatility_features import MIN_RETURN_DEVIATION
from node.topics import Target
from node.truth import unit


@dataclass(frozen=True, slots=True)
class Targets:
    """Per candle, shape [n], in model space; `actual` is NaN where the horizon has not passed or crosses a gap."""

    baseline: Floats
    scale: Floats
    actual: Floats


ESTIMATORS: Final[dict[str, Callable[[Bars, int], Floats]]] = {"standard_deviation": standard_deviation}
"""Measures of a volatility per bar over so many bars, by the name that a model's signature has for each."""


def compute_targets(bars: Bars, signature: Signature) -> Targets:
    """Return baseline, scale and actual value at every candle of one run."""
    steps = signature.steps
    if signature.target is Target.VOLATILITY:
        volatility = ESTIMATORS[signature.estimator](bars, steps)
        trailing = np.log(np.maximum(volatility, MIN_RETURN_DEVIATION))
        return Targets(baseline=trailing, scale=np.where(np.isnan(trailing), np.nan, 1.0), actual=_lead(trailing, steps))
    logs = np.log(bars.close)
    scale = deviation(bars, signature.scale_span) * math.sqrt(steps)
    return Targets(baseline=np.where(np.isnan(scale), np.nan, 0.0), scale=scale, actual=_lead(logs - lag(logs, steps), steps))


def from_model_space(target: Target, steps: int, value: float, last_price: float) -> float:
    """A forecast over `steps` bars in the network's unit (`node.truth`): a price, a log return, or a volatility.

    OverflowError for what no number can say.
    """
    if target is Target.PRICE:
        return last_price * math.exp(value)
    return math.exp(value) * unit(target, steps) if target is Target.VOLATILITY else value


def _lead(values: Floats, steps: int) -> Floats:
    """The value `steps` later; NaN where it is not known yet."""
    ahead = np.full_like(values, np.nan)
    if steps < len(values):
        ahead[:-steps] = values[steps:]
    return ahead
