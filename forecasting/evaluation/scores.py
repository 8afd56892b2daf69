"""The one place where forecasts are scored: how good they are beside the baseline, on data that no part of the model has seen.

Errors are measured in what a topic pays for (`forecasting.evaluation.topic_errors`) and with the topic's own loss, as a mean and as
the chain scores it. Figures that take neighbouring forecasts for independent would flatter; every significance here knows that
horizons overlap.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecasting.arrays import Floats, Integers
from forecasting.evaluation.direction import checks_of, direction_of
from forecasting.evaluation.significance import diebold_mariano
from forecasting.evaluation.topic_errors import TopicErrors, both_tell
from forecasting.prediction.conformal import LEVELS
from node.durations import HOUR_MS
from node.errors import ForecastError

if TYPE_CHECKING:
    from forecasting.evaluation.forecast_series import ForecastSeries


@dataclass(frozen=True, slots=True)
class Scores:
    """A forecaster beside the baseline.

    Losses, RMSE and MAE are those of log returns for price and log_return, and of levels (not logs) for volatility in the network's
    unit, which is what the topics pay; `log_ratio` is the ratio of RMSE in model space, the same as `ratio` for returns.

    `log10_loss` is the mean of the topic's loss as scored (`forecasting.evaluation.losses.as_scored`), `czar_log10` that of CZAR;
    None where the σ of the returns is not known. `dm_log10` is the statistic of the topic's loss as scored.

    `n_effective` counts the forecasts whose horizons do not overlap. `ratio` is RMSE over the baseline's RMSE; `skill` is
    1 - loss / baseline loss. `mape` is the mean size of the error as a part of the true price or volatility. `r2` compares with the
    mean of the truths. `r`, `directional_accuracy` and what belongs to them are about the move away from the baseline in model
    space, and None where the forecast never leaves it: `r_p` is two-sided, `da_low` to `da_high` covers 95 %, `da_p` is that of a
    coin doing as well. `dm` is the Diebold–Mariano statistic: above zero, the forecast's loss is smaller than the baseline's;
    `dm_p` is its two-sided p. `worst_hour_ms` begins the hour (UTC) in which the forecast lost most against the baseline, and
    `worst_hour_ratio` is the ratio of RMSE there; None where times are not known. `coverage_…` are the parts of the truths inside
    the intervals, None where there are none. `grade` sums up `checks_passed`, the seven of `forecasting.evaluation.direction`.
    """

    n: int
    n_effective: float
    loss_name: str
    loss: float
    baseline_loss: float
    skill: float
    rmse: float
    baseline_rmse: float
    ratio: float
    mae: float
    baseline_mae: float
    r: float | None
    directional_accuracy: float | None
    dm: float
    dm_p: float
    log_ratio: float
    mape: float
    r2: float
    r_p: float | None
    da_low: float | None
    da_high: float | None
    da_p: float | None
    czar: float | None
    baseline_czar: float | None
    zptae: float | None
    baseline_zptae: float | None
    worst_hour_ms: int | None
    worst_hour_ratio: float | None
    coverage_50: float | None
    coverage_80: float | None
    coverage_90: float | None
    checks_passed: int
    grade: str
    log10_loss: float | None = None
    baseline_log10_loss: float | None = None
    dm_log10: float | None = None
    czar_log10: float | None = None
    baseline_czar_log10: float | None = None

    @property
    def earned(self) -> bool:
        """Whether the forecaster has earned its place: better than the baseline in the mean, and not worse as scored."""
        as_scored_too = self.log10_loss is None or self.baseline_log10_loss is None or self.log10_loss <= self.baseline_log10_loss
        return self.skill > 0 and as_scored_too

    def to_dict(self) -> dict[str, float | int | str | None]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two forecasters on the same truths. `dm` above zero: the first one is better, its loss smaller; `dm_log10` is that of the
    loss as scored, None where the σ of the returns is not known."""

    n: int
    n_effective: float
    first_loss: float
    second_loss: float
    dm: float
    dm_p: float
    dm_log10: float | None = None


def score_series(series: ForecastSeries, loss: str) -> Scores:
    """Score forecasts that were made at consecutive bars.

    ForecastError for series of unequal length, without a row, or with a value that is not finite, and for a loss that is measured
    in scales where the series has none.
    """
    _check(series.actual, series.forecast, series.baseline)
    errors, steps = series.errors, series.steps
    scored, czar_scored = errors.scored(loss, series.sigma, steps), errors.scored("czar", series.sigma, steps)
    own, of_baseline = errors.losses(loss)
    test = diebold_mariano(own, of_baseline, steps)
    own_loss, baseline_loss = float(own.mean()), float(of_baseline.mean())
    rmse, baseline_rmse = _root_mean_square(errors.actual - errors.forecast), _root_mean_square(errors.actual)
    actual, forecast = series.actual - series.baseline, series.forecast - series.baseline
    direction, checks = direction_of(actual, forecast, steps), checks_of(actual, forecast, series.scale, steps)
    others = [None if errors.scale is None else errors.losses(name) for name in ("czar", "zptae")]
    means = [(None, None) if pair is None else (float(pair[0].mean()), float(pair[1].mean())) for pair in others]
    worst_ms, worst_ratio = _worst_hour(errors, series.times)
    coverages = _coverages(series.actual, series.bounds)
    return Scores(
        n=len(series),
        n_effective=len(series) / steps,
        loss_name=loss,
        loss=own_loss,
        baseline_loss=baseline_loss,
        skill=1 - _ratio(own_loss, baseline_loss),
        rmse=rmse,
        baseline_rmse=baseline_rmse,
        ratio=_ratio(rmse, baseline_rmse),
        mae=float(np.abs(errors.actual - errors.forecast).mean()),
        baseline_mae=float(np.abs(errors.actual).mean()),
        r=direction.r,
        directional_accuracy=direction.accuracy,
        dm=test.statistic,
        dm_p=test.p,
        log_ratio=_ratio(_root_mean_square(actual - forecast), _root_mean_square(actual)),
        mape=float(np.abs(np.expm1(np.clip(series.forecast - series.actual, -50, 50))).mean()),
        r2=_r_squared(errors),
        r_p=direction.r_p,
        da_low=direction.low,
        da_high=direction.high,
        da_p=direction.p,
        czar=means[0][0],
        baseline_czar=means[0][1],
        zptae=means[1][0],
        baseline_zptae=means[1][1],
        worst_hour_ms=worst_ms,
        worst_hour_ratio=worst_ratio,
        coverage_50=coverages[0],
        coverage_80=coverages[1],
        coverage_90=coverages[2],
        checks_passed=checks.passed,
        grade=checks.grade,
        log10_loss=scored.own,
        baseline_log10_loss=scored.baseline,
        dm_log10=scored.dm,
        czar_log10=czar_scored.own,
        baseline_czar_log10=czar_scored.baseline,
    )


def compare_series(first: ForecastSeries, second: ForecastSeries, loss: str) -> Comparison:
    """Compare two forecasters row by row on the same actual values; errors as `score_series`."""
    _check(first.actual, first.forecast, second.forecast)
    errors = [first.errors, second.errors]
    losses = [each.losses(loss)[0] for each in errors]
    logs = [each.logarithms(loss, first.sigma)[0] for each in errors]
    told = both_tell(logs[0], logs[1])
    test = diebold_mariano(losses[0], losses[1], first.steps)
    means = [float(values.mean()) for values in losses]
    dm_log10 = diebold_mariano(logs[0][told], logs[1][told], first.steps).statistic if told.any() else None
    return Comparison(len(first), len(first) / first.steps, means[0], means[1], test.statistic, test.p, dm_log10)


def _check(*series: Floats) -> None:
    if len({values.shape for values in series}) != 1 or series[0].ndim != 1 or len(series[0]) == 0:
        raise ForecastError(f"cannot score series of the shapes {[values.shape for values in series]}")
    if not all(np.isfinite(values).all() for values in series):
        raise ForecastError("cannot score what is not finite")


def _root_mean_square(values: Floats) -> float:
    return math.sqrt(float(np.mean(values**2)))


def _ratio(value: float, reference: float) -> float:
    if reference > 0:
        return value / reference
    return 1.0 if value == reference else math.inf


def _r_squared(errors: TopicErrors) -> float:
    spread = float(np.sum((errors.actual - errors.actual.mean()) ** 2))
    return 1 - float(np.sum((errors.actual - errors.forecast) ** 2)) / spread if spread > 0 else 0.0


def _worst_hour(errors: TopicErrors, times: Integers) -> tuple[int, float]:
    """Beginning of the hour that cost most against the baseline in squared error, and the ratio of RMSE in it."""
    hours, place = np.unique(times // HOUR_MS, return_inverse=True)
    own, of_baseline = (np.bincount(place, weights=missed**2) for missed in (errors.actual - errors.forecast, errors.actual))
    worst = int(np.argmax(own - of_baseline))
    return int(hours[worst]) * HOUR_MS, _ratio(math.sqrt(own[worst]), math.sqrt(of_baseline[worst]))


def _coverages(actual: Floats, bounds: Floats | None) -> list[float | None]:
    if bounds is None:
        return [None for _ in LEVELS]
    return [
        float(np.mean((bounds[:, place] <= actual) & (actual <= bounds[:, place + 1]))) for place in range(0, 2 * len(LEVELS), 2)
    ]
