"""A checkpoint's ONNX graph is asked: about given windows, or about the rows of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnxruntime as ort

from forecasting.arrays import Floats, Integers, Singles
from forecasting.dataset.windows import Dataset
from node.errors import ForecastError
from node.onnx_session import open_session

__all__ = ["RowForecasts", "forecast_rows", "open_session", "run_graph"]

BATCH: Final = 2048
"""Windows a graph is given at a time."""


def run_graph(session: ort.InferenceSession, window: Singles, baseline: Singles, scale: Singles) -> Singles:
    """Return forecasts [N] in model space for windows [N, W, F], baselines [N] and scales [N]."""
    forecasts = session.run(["forecast"], {"window": window, "baseline": baseline, "scale": scale})[0]
    return np.asarray(forecasts, np.float32)


@dataclass(frozen=True, slots=True)
class RowForecasts:
    """A graph's forecasts at `rows` of a dataset, and the actual values where they are known; all [n], in model space."""

    rows: Integers
    actual: Floats
    forecast: Floats
    baseline: Floats
    scale: Floats

    def at(self, rows: Integers) -> RowForecasts:
        """Return those at these rows, which must be among `rows`."""
        place = np.searchsorted(self.rows, rows)
        return RowForecasts(rows, self.actual[place], self.forecast[place], self.baseline[place], self.scale[place])


def forecast_rows(session: ort.InferenceSession, dataset: Dataset, rows: Integers) -> RowForecasts:
    """Ask a graph at these rows; ForecastError for a forecast that is not finite."""
    # The graph works in single precision; so does the baseline it is compared with.
    baseline, scale = dataset.baseline[rows].astype(np.float32), dataset.scale[rows].astype(np.float32)
    pieces = [
        run_graph(session, dataset.windows(rows[place]), baseline[place], scale[place])
        for place in (slice(start, start + BATCH) for start in range(0, len(rows), BATCH))
    ]
    forecast = np.concatenate([np.empty(0, np.float32), *pieces]).astype(np.float64)
    if not np.isfinite(forecast).all():
        raise ForecastError(f"the model of {dataset.signature.task} answers what is not a number")
    return RowForecasts(rows, dataset.actual[rows], forecast, baseline.astype(np.float64), scale.astype(np.float64))
