"""Forecasts beside what came true: the series that scores, comparisons and charts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from forecasting.arrays import Floats, Integers
from forecasting.evaluation.scores import Comparison, Scores, compare_series, score_series
from forecasting.evaluation.topic_errors import TopicErrors
from node.errors import NotEnoughDataError
from node.topics import Target
from node.truth import unit

COLUMNS: Final = ("times", "actual", "forecast", "baseline", "scale", "bounds", "sigma")
"""The arrays of a series, a row for each forecast."""


@dataclass(frozen=True, slots=True)
class ForecastSeries:
    """A model's forecasts over a span, with the actual values and the baseline's forecasts. All [n], in model space.

    `times` are the open times of the newest candle that each forecast could see, milliseconds UTC. `scale` is the ordinary size of
    a deviation from the baseline at each forecast; the losses huber, zptae, ztae and czar are measured in it. `target` says what
    model space is, a log return where it is not given.
    """

    times: Integers
    actual: Floats
    forecast: Floats
    baseline: Floats
    scale: Floats | None
    steps: int
    """Bars that a horizon holds."""
    target: Target | None = None
    bounds: Floats | None = None
    """Low and high of the intervals of 50, 80 and 90 percent, shape [n, 6]; None without intervals."""
    sigma: Floats | None = None
    """The unit of returns for reputers (`forecasting.dataset.long_deviation`), NaN where it is not known."""
    bars: int | None = None
    """Bars that a volatility in model space is measured on, over the horizon; as many as `steps` where it is not given."""

    def __len__(self) -> int:
        return len(self.actual)

    @property
    def unit(self) -> float:
        """The network's unit of a level in model space."""
        return unit(self.target, self.bars or self.steps) if self.target is not None else 1.0

    @property
    def errors(self) -> TopicErrors:
        """Deviations from the baseline as the topic pays for them."""
        return TopicErrors.of(self.actual, self.forecast, self.baseline, self.scale, self.target, self.unit)

    def score(self, loss: str) -> Scores:
        """Score the series beside the baseline."""
        return score_series(self, loss)

    def compare(self, other: ForecastSeries, loss: str) -> Comparison:
        """Compare with another model's, at the times when both made a forecast; NotEnoughDataError if there are none."""
        _, mine, theirs = np.intersect1d(self.times, other.times, assume_unique=True, return_indices=True)
        if len(mine) == 0:
            raise NotEnoughDataError("the two models were never asked at the same time")
        ours = self.at(mine)
        return compare_series(ours, replace(ours, forecast=other.forecast[theirs], bounds=None), loss)

    def losses(self, name: str) -> tuple[Floats, Floats]:
        """The loss of each forecast, and of the baseline there, each [n]."""
        return self.errors.losses(name)

    def logarithms(self, name: str) -> Floats:
        """The loss of each forecast as the chain scores it, [n]; NaN where the σ that the loss needs is not known."""
        return self.errors.logarithms(name, self.sigma)[0]

    def at(self, rows: Integers) -> ForecastSeries:
        """The series at these rows."""
        found = {name: getattr(self, name) for name in COLUMNS}
        taken: dict[str, Any] = {name: values if values is None else values[rows] for name, values in found.items()}
        return replace(self, **taken)


def join(parts: Sequence[ForecastSeries]) -> ForecastSeries:
    """Series over one stretch after another as one; NotEnoughDataError if there is none."""
    if not parts:
        raise NotEnoughDataError("no candle of the test has a whole window before it and a known outcome after it")
    joined: dict[str, Any] = {}
    for name in COLUMNS:
        columns = [getattr(part, name) for part in parts]
        joined[name] = None if any(column is None for column in columns) else np.concatenate(columns)
    return replace(parts[0], **joined)
