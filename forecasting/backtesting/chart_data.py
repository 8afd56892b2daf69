"""A walk of a hundred thousand forecasts condensed to what a chart can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecasting.arrays import Floats, Integers
from forecasting.evaluation.forecast_series import ForecastSeries
from node.durations import HOUR_MS

POINTS: Final = 400
SCATTER_POINTS: Final = 600
BINS: Final = 10
WORST_HOURS: Final = 10


@dataclass(frozen=True, slots=True)
class WorstHour:
    """An hour of forecasts and the losses in it, as parts of all the baseline's losses in the test."""

    open_time: int
    loss: float
    baseline_loss: float


@dataclass(frozen=True, slots=True)
class Curves:
    """What the report draws of one task. Moves are deviations from the baseline in model space.

    `equity` is the loss saved beside the baseline up to each of `times`, as a part of the baseline's loss over the whole test: it
    ends at the skill. `said` and `came` are pairs of forecast and outcome, thinned out evenly in time; the bins hold the means of
    both in equally many forecasts each, in the order of the forecast.
    """

    times: list[int]
    equity: list[float]
    said: list[float]
    came: list[float]
    bin_said: list[float]
    bin_came: list[float]
    bin_error: list[float]
    worst_hours: list[WorstHour]


def curves_of(walk: ForecastSeries, loss: str) -> Curves:
    """Condense a walk, judged by `loss`."""
    came, said = walk.actual - walk.baseline, walk.forecast - walk.baseline
    own, of_baseline = walk.losses(loss)
    total = float(of_baseline.sum()) or 1.0
    shown = _evenly(len(came), POINTS)
    pairs = _evenly(len(came), SCATTER_POINTS)
    bin_said, bin_came, bin_error = _bins(said, came, walk.steps)
    return Curves(
        times=walk.times[shown].tolist(),
        equity=_short(np.cumsum(of_baseline - own)[shown] / total),
        said=_short(said[pairs]),
        came=_short(came[pairs]),
        bin_said=bin_said,
        bin_came=bin_came,
        bin_error=bin_error,
        worst_hours=_worst_hours(walk.times, own / total, of_baseline / total),
    )


def _evenly(count: int, wanted: int) -> Integers:
    """At most `wanted` places among `count`, evenly spread, the last one among them."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


def _short(values: Floats) -> list[float]:
    """With as many digits as a chart can show."""
    return [float(f"{value:.5g}") for value in values]


def _bins(said: Floats, came: Floats, steps: int) -> tuple[list[float], list[float], list[float]]:
    """Mean forecast, mean outcome and the standard error of the latter, of forecasts sorted into equally large bins.

    Nothing where the forecast never leaves the baseline. Neighbouring outcomes overlap over `steps` bars, so that only every
    steps-th counts as new."""
    if np.ptp(said) == 0:
        return [], [], []
    parts = [part for part in np.array_split(np.argsort(said, kind="stable"), BINS) if len(part)]
    means = [(float(said[part].mean()), float(came[part].mean())) for part in parts]
    errors = [float(came[part].std() / np.sqrt(max(1.0, len(part) / steps))) for part in parts]
    return [mean for mean, _ in means], [mean for _, mean in means], errors


def _worst_hours(times: Integers, own: Floats, of_baseline: Floats) -> list[WorstHour]:
    """The hours in which the forecasts lost most."""
    hours, place = np.unique(times // HOUR_MS, return_inverse=True)
    losses, baseline_losses = np.bincount(place, own), np.bincount(place, of_baseline)
    worst = np.argsort(-losses, kind="stable")[:WORST_HOURS]
    return [WorstHour(int(hours[i]) * HOUR_MS, float(losses[i]), float(baseline_losses[i])) for i in worst]
