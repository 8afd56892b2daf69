"""The one judge: how good forecasts are beside the baseline, on data that no part of the model has seen.

Everything is measured in model space (log returns, or logs of volatility) and with the topic's own loss. Figures that take
neighbouring forecasts for independent would flatter; every significance here knows that horizons overlap.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import onnxruntime as ort
import pandas as pd

from forecasting.bars import Floats, Integers
from forecasting.dataset import Dataset, build_dataset
from forecasting.losses import loss_of
from forecasting.prediction import run_graph
from forecasting.signature import Signature
from forecasting.significance import diebold_mariano
from node.errors import ForecastError, NotEnoughDataError

BATCH = 2048
"""Windows a graph is given at a time."""


@dataclass(frozen=True, slots=True)
class Scores:
    """A forecaster beside the baseline.

    `n_effective` counts the forecasts whose horizons do not overlap. `ratio` is RMSE over the baseline's RMSE; `skill` is
    1 - loss / baseline loss. `r` and `directional_accuracy` (of the move away from the baseline) are None where the forecast
    never leaves the baseline. `dm` is the Diebold–Mariano statistic: below zero, the forecast's loss is smaller than the
    baseline's; `dm_p` is its two-sided p.
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

    def to_dict(self) -> dict[str, float | int | str | None]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two forecasters on the same truths. `dm` above zero: the first one's loss is larger."""

    n: int
    n_effective: float
    first_loss: float
    second_loss: float
    dm: float
    dm_p: float


@dataclass(frozen=True, slots=True)
class Walk:
    """A model walked forward over a span: what it said at every bar and what came of it. All [n], in model space.

    `times` are the open times of the newest candle that each forecast could see.
    """

    times: Integers
    truth: Floats
    forecast: Floats
    baseline: Floats
    scale: Floats
    steps: int

    def score(self, loss: str) -> Scores:
        """Beside the baseline."""
        return score(self.truth, self.forecast, self.baseline, self.steps, loss, scale=self.scale)

    def compare(self, other: Walk, loss: str) -> Comparison:
        """Beside another model, at the times when both said something; NotEnoughDataError if there are none."""
        _, mine, theirs = np.intersect1d(self.times, other.times, assume_unique=True, return_indices=True)
        if len(mine) == 0:
            raise NotEnoughDataError("the two models were never asked at the same time")
        truth, scale = self.truth[mine], self.scale[mine]
        return compare(
            truth, self.forecast[mine], other.forecast[theirs], self.steps, loss, baseline=self.baseline[mine], scale=scale
        )


def score(truth: Floats, forecast: Floats, baseline: Floats, steps: int, loss: str, *, scale: Floats | None = None) -> Scores:
    """Score forecasts [n] made at consecutive bars with a horizon of `steps` bars.

    `scale` is the ordinary size of a deviation from the baseline at each forecast; the losses huber, zptae and czar need it.
    """
    _check(truth, forecast, baseline)
    move, said = truth - baseline, forecast - baseline
    own, of_baseline = _losses(move, said, loss, scale), _losses(move, np.zeros_like(said), loss, scale)
    test = diebold_mariano(own, of_baseline, steps)
    rmse, baseline_rmse = _root_mean_square(move - said), _root_mean_square(move)
    own_loss, baseline_loss = float(own.mean()), float(of_baseline.mean())
    return Scores(
        n=len(truth),
        n_effective=len(truth) / steps,
        loss_name=loss,
        loss=own_loss,
        baseline_loss=baseline_loss,
        skill=1 - _ratio(own_loss, baseline_loss),
        rmse=rmse,
        baseline_rmse=baseline_rmse,
        ratio=_ratio(rmse, baseline_rmse),
        mae=float(np.abs(move - said).mean()),
        baseline_mae=float(np.abs(move).mean()),
        r=_correlation(move, said),
        directional_accuracy=_directional_accuracy(move, said),
        dm=test.statistic,
        dm_p=test.p,
    )


def compare(
    truth: Floats,
    first: Floats,
    second: Floats,
    steps: int,
    loss: str,
    *,
    baseline: Floats | None = None,
    scale: Floats | None = None,
) -> Comparison:
    """Two forecasters [n] on the same truths.

    The losses huber, zptae and czar need the `scale`, and all but mse and mae need the `baseline` where it is not zero.
    """
    _check(truth, first, second)
    origin = np.zeros_like(truth) if baseline is None else baseline
    losses = [_losses(truth - origin, forecast - origin, loss, scale) for forecast in (first, second)]
    test = diebold_mariano(losses[0], losses[1], steps)
    means = [float(values.mean()) for values in losses]
    return Comparison(len(truth), len(truth) / steps, means[0], means[1], test.statistic, test.p)


def walk_forward(session: ort.InferenceSession, signature: Signature, candles: pd.DataFrame, start_ms: int, end_ms: int) -> Walk:
    """Ask a graph at every bar of a span that it never saw.

    `candles` should begin `signature.bars_needed` bars before the span and reach `signature.steps` bars beyond it; bars whose
    window or outcome is not there are left out. NotEnoughDataError if none is left.
    """
    dataset = build_dataset(signature, candles)
    return walk_over(session, dataset, dataset.between(start_ms, end_ms))


def walk_over(session: ort.InferenceSession, dataset: Dataset, rows: Integers) -> Walk:
    """Ask a graph at these rows of a dataset."""
    if len(rows) == 0:
        raise NotEnoughDataError(f"no candle of {dataset.signature.cell} in this span has a whole window and a known outcome")
    # The graph works in single precision; so does the baseline it is compared with.
    baseline, scale = dataset.baseline[rows].astype(np.float32), dataset.scale[rows].astype(np.float32)
    answers = [
        run_graph(session, dataset.windows(rows[place]), baseline[place], scale[place])
        for place in (slice(start, start + BATCH) for start in range(0, len(rows), BATCH))
    ]
    forecast = np.concatenate(answers).astype(np.float64)
    if not np.isfinite(forecast).all():
        raise ForecastError(f"the model of {dataset.signature.cell} answers what is not a number")
    return Walk(
        times=dataset.times[rows],
        truth=dataset.truth[rows],
        forecast=forecast,
        baseline=baseline.astype(np.float64),
        scale=scale.astype(np.float64),
        steps=dataset.signature.steps,
    )


def _check(*series: Floats) -> None:
    if len({values.shape for values in series}) != 1 or series[0].ndim != 1 or len(series[0]) == 0:
        raise ForecastError(f"cannot score series of the shapes {[values.shape for values in series]}")
    if not all(np.isfinite(values).all() for values in series):
        raise ForecastError("cannot score what is not finite")


def _losses(move: Floats, said: Floats, loss: str, scale: Floats | None) -> Floats:
    if scale is None and loss not in ("mse", "mae"):
        raise ForecastError(f"the loss {loss} is measured in scales; give them")
    return loss_of(loss)(move, said, np.ones_like(move) if scale is None else scale)


def _root_mean_square(values: Floats) -> float:
    return math.sqrt(float(np.mean(values**2)))


def _ratio(value: float, reference: float) -> float:
    if reference > 0:
        return value / reference
    return 1.0 if value == reference else math.inf


def _correlation(move: Floats, said: Floats) -> float | None:
    if len(move) < 3 or np.ptp(said) == 0 or np.ptp(move) == 0:
        return None
    return float(np.corrcoef(move, said)[0, 1])


def _directional_accuracy(move: Floats, said: Floats) -> float | None:
    """Part of the forecasts that leave the baseline on the side on which the truth lies; truths on the baseline do not count."""
    counted = (move != 0) & (said != 0)
    return float(np.mean(np.sign(move[counted]) == np.sign(said[counted]))) if counted.any() else None
