"""The one judge: how good forecasts are beside the baseline, on data that no part of the model has seen.

Errors are measured in what a topic pays for (`forecasting.evaluation.topic_errors`) and with the topic's own loss, as a mean and as
the chain scores it. Figures that take neighbouring forecasts for independent would flatter; every significance here knows that
horizons overlap.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import onnxruntime as ort
import pandas as pd

from forecasting.arrays import Floats, Integers
from forecasting.dataset.signature import Signature
from forecasting.dataset.windows import Dataset, build_dataset, sigma_at
from forecasting.evaluation.direction import checks_of, direction_of
from forecasting.evaluation.significance import diebold_mariano
from forecasting.evaluation.topic_errors import Paid, telling
from forecasting.prediction.conformal import LEVELS, Intervals
from forecasting.prediction.onnx_session import forecast_rows
from forecasting.prediction.recent_residuals import compute_bounds, find_counted_rows
from node.durations import HOUR_MS
from node.errors import ForecastError, NotEnoughDataError
from node.topics import Target
from node.truth import unit


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


@dataclass(frozen=True, slots=True)
class ForecastSeries:
    """A model walked forward over a span: what it said at every bar and what came of it. All [n], in model space.

    `times` are the open times of the newest candle that each forecast could see.
    """

    times: Integers
    actual: Floats
    forecast: Floats
    baseline: Floats
    scale: Floats
    steps: int
    target: Target | None = None
    bounds: Floats | None = None
    """Low and high of the intervals of 50, 80 and 90 percent, shape [n, 6]; None without intervals."""
    sigma: Floats | None = None
    """What reputers measure each return in (`forecasting.dataset.long_deviation`), NaN where it is not known."""
    bars: int | None = None
    """Bars that a volatility in model space is measured on, over the horizon; as many as `steps` where it is not given."""

    @property
    def unit(self) -> float:
        """What the network's unit is of a level in model space."""
        return unit(self.target, self.bars or self.steps) if self.target is not None else 1.0

    def score(self, loss: str) -> Scores:
        """Beside the baseline."""
        return score(
            self.actual,
            self.forecast,
            self.baseline,
            self.steps,
            loss,
            scale=self.scale,
            target=self.target,
            times=self.times,
            bounds=self.bounds,
            sigma=self.sigma,
            unit=self.unit,
        )

    def losses(self, name: str) -> tuple[Floats, Floats]:
        """What each forecast lost, and what the baseline would have, each [n]."""
        return Paid.of(self.actual, self.forecast, self.baseline, self.scale, self.target, self.unit).losses(name)

    def logarithms(self, name: str) -> Floats:
        """What each forecast lost as the chain scores it, [n]; NaN where the σ that the loss needs is not known."""
        paid = Paid.of(self.actual, self.forecast, self.baseline, self.scale, self.target, self.unit)
        return paid.logarithms(name, self.sigma)[0]

    def compare(self, other: ForecastSeries, loss: str) -> Comparison:
        """Beside another model, at the times when both said something; NotEnoughDataError if there are none."""
        _, mine, theirs = np.intersect1d(self.times, other.times, assume_unique=True, return_indices=True)
        if len(mine) == 0:
            raise NotEnoughDataError("the two models were never asked at the same time")
        actual, scale = self.actual[mine], self.scale[mine]
        return compare(
            actual,
            self.forecast[mine],
            other.forecast[theirs],
            self.steps,
            loss,
            baseline=self.baseline[mine],
            scale=scale,
            target=self.target,
            sigma=None if self.sigma is None else self.sigma[mine],
            unit=self.unit,
        )


def score(
    actual: Floats,
    forecast: Floats,
    baseline: Floats,
    steps: int,
    loss: str,
    *,
    scale: Floats | None = None,
    target: Target | None = None,
    times: Integers | None = None,
    bounds: Floats | None = None,
    sigma: Floats | None = None,
    unit: float = 1.0,
) -> Scores:
    """Score forecasts [n] in model space, made at consecutive bars with a horizon of `steps` bars.

    `scale` is the ordinary size of a deviation from the baseline at each forecast; the losses huber, zptae and czar need it.
    `target` says what model space is, a log return where it is not given; `times` [n] (milliseconds UTC) and `bounds` [n, 6] bring
    the worst hour and the coverage, `sigma` [n] the losses as scored. Levels of volatility times `unit` are in the network's unit.
    """
    _check(actual, forecast, baseline)
    paid = Paid.of(actual, forecast, baseline, scale, target, unit)
    scored, czar_scored = paid.scored(loss, sigma, steps), paid.scored("czar", sigma, steps)
    own, of_baseline = paid.losses(loss)
    test = diebold_mariano(own, of_baseline, steps)
    own_loss, baseline_loss = float(own.mean()), float(of_baseline.mean())
    rmse, baseline_rmse = _root_mean_square(paid.move - paid.said), _root_mean_square(paid.move)
    move, said = actual - baseline, forecast - baseline
    direction, checks = direction_of(move, said, steps), checks_of(move, said, scale, steps)
    others = [None if paid.scale is None else paid.losses(name) for name in ("czar", "zptae")]
    means = [(None, None) if pair is None else (float(pair[0].mean()), float(pair[1].mean())) for pair in others]
    worst_ms, worst_ratio = _worst_hour(paid, times)
    coverages = _coverages(actual, bounds)
    return Scores(
        n=len(actual),
        n_effective=len(actual) / steps,
        loss_name=loss,
        loss=own_loss,
        baseline_loss=baseline_loss,
        skill=1 - _ratio(own_loss, baseline_loss),
        rmse=rmse,
        baseline_rmse=baseline_rmse,
        ratio=_ratio(rmse, baseline_rmse),
        mae=float(np.abs(paid.move - paid.said).mean()),
        baseline_mae=float(np.abs(paid.move).mean()),
        r=direction.r,
        directional_accuracy=direction.accuracy,
        dm=test.statistic,
        dm_p=test.p,
        log_ratio=_ratio(_root_mean_square(move - said), _root_mean_square(move)),
        mape=float(np.abs(np.expm1(np.clip(forecast - actual, -50, 50))).mean()),
        r2=_r_squared(paid),
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


def compare(
    actual: Floats,
    first: Floats,
    second: Floats,
    steps: int,
    loss: str,
    *,
    baseline: Floats | None = None,
    scale: Floats | None = None,
    target: Target | None = None,
    sigma: Floats | None = None,
    unit: float = 1.0,
) -> Comparison:
    """Two forecasters [n] on the same truths.

    The losses huber, zptae and czar need the `scale`, and all but mse and mae need the `baseline` where it is not zero.
    """
    _check(actual, first, second)
    origin = np.zeros_like(actual) if baseline is None else baseline
    paid = [Paid.of(actual, forecast, origin, scale, target, unit) for forecast in (first, second)]
    losses, logs = [each.losses(loss)[0] for each in paid], [each.logarithms(loss, sigma)[0] for each in paid]
    told = telling(logs[0], logs[1])
    test = diebold_mariano(losses[0], losses[1], steps)
    means = [float(values.mean()) for values in losses]
    as_scored_too = diebold_mariano(logs[0][told], logs[1][told], steps).statistic if told.any() else None
    return Comparison(len(actual), len(actual) / steps, means[0], means[1], test.statistic, test.p, as_scored_too)


def walk_forward(
    session: ort.InferenceSession,
    signature: Signature,
    candles: pd.DataFrame,
    start_ms: int,
    end_ms: int,
    intervals: Intervals | None = None,
) -> ForecastSeries:
    """Ask a graph at every bar of a span that it never saw.

    `candles` should begin `signature.bars_needed` bars before the span, or, for intervals that follow errors from the span's first
    bar on, `bars_to_follow` of them; and reach `signature.steps` bars beyond it. Bars whose window or outcome is not there are left
    out. NotEnoughDataError if none is left.
    """
    dataset = build_dataset(signature, candles)
    return walk_over(session, dataset, dataset.between(start_ms, end_ms), intervals)


def walk_over(
    session: ort.InferenceSession, dataset: Dataset, rows: Integers, intervals: Intervals | None = None
) -> ForecastSeries:
    """Ask a graph at these rows of a dataset, which are ascending. Its intervals follow the errors at the rows before each."""
    if len(rows) == 0:
        raise NotEnoughDataError(f"no candle of {dataset.signature.task} in this span has a whole window and a known outcome")
    counted = rows[:0] if intervals is None else find_counted_rows(dataset, rows)
    said = forecast_rows(session, dataset, np.union1d(rows, counted))
    wanted = said.at(rows)
    return ForecastSeries(
        times=dataset.times[rows],
        actual=wanted.actual,
        forecast=wanted.forecast,
        baseline=wanted.baseline,
        scale=wanted.scale,
        steps=dataset.signature.steps,
        target=dataset.signature.target,
        bounds=None if intervals is None else compute_bounds(intervals, dataset, wanted, said.at(counted)),
        # A volatility is measured in no deviation of returns.
        sigma=None if dataset.signature.target is Target.VOLATILITY else sigma_at(dataset, rows),
    )


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


def _r_squared(paid: Paid) -> float:
    spread = float(np.sum((paid.move - paid.move.mean()) ** 2))
    return 1 - float(np.sum((paid.move - paid.said) ** 2)) / spread if spread > 0 else 0.0


def _worst_hour(paid: Paid, times: Integers | None) -> tuple[int | None, float | None]:
    """Beginning of the hour that cost most against the baseline in squared error, and the ratio of RMSE in it."""
    if times is None:
        return None, None
    hours, place = np.unique(times // HOUR_MS, return_inverse=True)
    own, of_baseline = (np.bincount(place, weights=errors**2) for errors in (paid.move - paid.said, paid.move))
    worst = int(np.argmax(own - of_baseline))
    return int(hours[worst]) * HOUR_MS, _ratio(math.sqrt(own[worst]), math.sqrt(of_baseline[worst]))


def _coverages(actual: Floats, bounds: Floats | None) -> list[float | None]:
    if bounds is None:
        return [None for _ in LEVELS]
    return [
        float(np.mean((bounds[:, place] <= actual) & (actual <= bounds[:, place + 1]))) for place in range(0, 2 * len(LEVELS), 2)
    ]
