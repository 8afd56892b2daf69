"""Asking a model at every bar of a span that it never saw, as if each of them were the present."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pandas as pd

from forecasting.arrays import Integers
from forecasting.dataset.signature import Signature
from forecasting.dataset.windows import Dataset, build_dataset, sigma_at
from forecasting.evaluation.forecast_series import ForecastSeries
from forecasting.prediction.conformal import Intervals
from forecasting.prediction.onnx_session import forecast_rows
from forecasting.prediction.recent_residuals import compute_bounds, find_counted_rows
from node.errors import NotEnoughDataError
from node.topics import Target


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
    made = forecast_rows(session, dataset, np.union1d(rows, counted))
    wanted = made.at(rows)
    return ForecastSeries(
        times=dataset.times[rows],
        actual=wanted.actual,
        forecast=wanted.forecast,
        baseline=wanted.baseline,
        scale=wanted.scale,
        steps=dataset.signature.steps,
        target=dataset.signature.target,
        bounds=None if intervals is None else compute_bounds(intervals, dataset, wanted, made.at(counted)),
        # A volatility is measured in no deviation of returns.
        sigma=None if dataset.signature.target is Target.VOLATILITY else sigma_at(dataset, rows),
    )
