"""Candles as rows to learn from or to be judged on, and the parts of time they fall into."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.arrays import Floats, Integers
from forecasting.dataset.bars import split_into_runs, with_all_of
from forecasting.dataset.feature_catalogue import compute_features
from forecasting.dataset.long_deviation import LongDeviation
from forecasting.dataset.signature import Signature
from forecasting.dataset.targets import compute_targets
from node.errors import NotEnoughDataError

FRACTIONS: Final = {"training": 0.64, "validation": 0.12, "calibration": 0.12, "test": 0.12}
MIN_PART_ROWS: Final = 60
"""Rows that each part must have; more where the horizon is longer than that."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Every candle of a frame as a row: features [n, F] float32, baseline, scale and actual value [n] in model space, closes [n].

    `usable` holds the rows that have a whole window without a gap, a baseline and a scale; `known` those of them whose actual value
    is known as well. Both are ascending row numbers.
    """

    signature: Signature
    times: Integers
    closes: Floats
    features: npt.NDArray[np.float32]
    baseline: Floats
    scale: Floats
    actual: Floats
    usable: Integers
    known: Integers

    def windows(self, rows: Integers) -> npt.NDArray[np.float32]:
        """The windows that end at these rows, shape [N, W, F]; a copy of these alone."""
        view = np.lib.stride_tricks.sliding_window_view(self.features, self.signature.window, axis=0)
        return np.ascontiguousarray(view[rows - self.signature.window + 1].transpose(0, 2, 1))

    def between(self, start_ms: int, end_ms: int) -> Integers:
        """Rows of `known` whose candle opens between the two times, both included."""
        times = self.times[self.known]
        return self.known[(times >= start_ms) & (times <= end_ms)]


def build_dataset(signature: Signature, candles: pd.DataFrame) -> Dataset:
    """Features and targets of every candle that has all that the features read, computed run by run."""
    candles = with_all_of(candles, signature.columns)
    count = len(candles)
    features = np.full((count, len(signature.features)), np.nan, np.float32)
    baseline, scale, actual = (np.full(count, np.nan) for _ in range(3))
    whole = np.zeros(count, bool)
    for run in split_into_runs(candles, signature.interval):
        place = slice(run.start, run.stop)
        targets = compute_targets(run.bars, signature)
        features[place] = compute_features(run.bars, signature.features)
        baseline[place], scale[place], actual[place] = targets.baseline, targets.scale, targets.actual
        whole[run.start + signature.bars_needed - 1 : run.stop] = True
    usable = np.flatnonzero(whole)
    times = candles["open_time"].to_numpy(np.int64)
    closes = candles["close"].to_numpy(np.float64)
    return Dataset(signature, times, closes, features, baseline, scale, actual, usable, usable[np.isfinite(actual[usable])])


def sigma_at(dataset: Dataset, rows: Integers) -> Floats:
    """The σ in which reputers measure returns (`forecasting.dataset.long_deviation`), at these rows; NaN where it is not known."""
    signature = dataset.signature
    deviation = LongDeviation.of(dataset.times, dataset.closes, signature.interval, signature.horizon)
    return deviation.at(dataset.times[rows] + signature.interval.ms + signature.horizon.ms)


@dataclass(frozen=True, slots=True)
class Parts:
    """Row numbers of the four parts in the order of time. Between two of them lies at least one horizon, so that no row's target
    reaches into the next part."""

    training: Integers
    validation: Integers
    calibration: Integers
    test: Integers


def split(dataset: Dataset) -> Parts:
    """Cut the rows whose actual value is known into parts; NotEnoughDataError if a part would be too short."""
    rows, signature = dataset.known, dataset.signature
    needed = rows_needed(signature)
    if len(rows) < needed:
        raise NotEnoughDataError(
            f"{signature.task} needs at least {needed + signature.bars_needed + signature.steps - 1} unbroken {signature.interval} "
            f"candles to learn from; there are {len(dataset.times)}, {len(rows)} of them with a whole window and a known outcome",
            hint="The history is still filling, or gaps lie in it.",
        )
    free = len(rows) - 3 * signature.steps
    ends = np.cumsum([round(fraction * free) for fraction in FRACTIONS.values()])[:-1]
    starts = [0, *(end + (number + 1) * signature.steps for number, end in enumerate(ends))]
    stops = [*(end + number * signature.steps for number, end in enumerate(ends)), len(rows)]
    return Parts(*(rows[start:stop] for start, stop in zip(starts, stops, strict=True)))


def rows_needed(signature: Signature) -> int:
    """Count the rows with known actual values from which all four parts can be made."""
    return 3 * signature.steps + int(np.ceil(max(MIN_PART_ROWS, signature.steps) / FRACTIONS["test"]))


def candles_digest(candles: pd.DataFrame, more: Sequence[str] = ()) -> str:
    """SHA-256 of what a model can see of candles, in hexadecimal; `more` are the columns it reads beside the usual ones."""
    digest = hashlib.sha256(candles["open_time"].to_numpy(np.int64).tobytes())
    for name in ("open", "high", "low", "close", "volume", *more):
        digest.update(candles[name].to_numpy(np.float64).tobytes())
    return digest.hexdigest()
