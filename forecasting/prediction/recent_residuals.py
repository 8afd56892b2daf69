"""A model's recent residuals, worked out from candles: its intervals follow them.

A backtest does it for every bar of a span at once, a node for its newest candle; both ask the same graph at the same moments of the
past, and let `forecasting.prediction.adaptive_conformal` say what follows.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import onnxruntime as ort
import pandas as pd

from forecasting.arrays import Floats, Integers
from forecasting.dataset.signature import Signature
from forecasting.dataset.windows import Dataset, build_dataset
from forecasting.prediction.adaptive_conformal import AdaptationRate
from forecasting.prediction.conformal import LEVELS, Intervals
from forecasting.prediction.onnx_session import RowForecasts, forecast_rows


def bars_to_follow(signature: Signature) -> int:
    """Count the candles from which one forecast can be made, its intervals following all the errors they look back at."""
    rate = AdaptationRate.of(signature)
    return signature.bars_needed + math.ceil((rate.memory + rate.block) * rate.stride_ms / signature.interval.ms)


def find_counted_rows(dataset: Dataset, rows: Integers) -> Integers:
    """Return the rows whose errors have a say in the intervals at `rows` (ascending, at least one)."""
    rate = AdaptationRate.of(dataset.signature)
    start = rate.start(rate.place(dataset.times[rows[:1]]))[0] * rate.stride_ms
    known = dataset.between(int(start), int(dataset.times[rows[-1]]))
    return known[rate.counts(dataset.times[known])]


def compute_bounds(intervals: Intervals, dataset: Dataset, wanted: RowForecasts, counted: RowForecasts) -> Floats:
    """Return low and high of each of LEVELS at the wanted forecasts, [n, 6], as the counted errors before each call for."""
    rate = AdaptationRate.of(dataset.signature)
    conformity_scores = intervals.conformity_scores(counted.actual, counted.forecast, counted.scale)
    now, then = rate.place(dataset.times[wanted.rows]), rate.place(dataset.times[counted.rows])
    return intervals.bounds(wanted.forecast, wanted.scale, rate.interval_scales(now, then, conformity_scores))


class RecentResiduals:
    """A served model's intervals at its newest candle. What has once been worked out is kept, so that most candles cost little;
    nothing depends on it, for a new instance finds the same errors again."""

    def __init__(self, session: ort.InferenceSession, signature: Signature, intervals: Intervals) -> None:
        self._session, self._signature, self._intervals = session, signature, intervals
        self._rate = AdaptationRate.of(signature)
        self._start = 0
        self._conformity_scores: dict[int, Floats] = {}
        """By place; NaN where candles were missing, until the past begins anew and they are looked for again."""

    def bars_wanted(self, newest_ms: int) -> int:
        """Candles that `intervals_at` wants to see when the newest of them opened at `newest_ms`."""
        unseen_ms = self._first_unseen(newest_ms) * self._rate.stride_ms
        return self._signature.bars_needed + max(0, newest_ms - unseen_ms) // self._signature.interval.ms

    def intervals_at(self, candles: pd.DataFrame) -> Intervals:
        """Return the model's intervals as the errors known by the newest of these candles have scaled them."""
        newest_ms = int(candles["open_time"].iloc[-1])
        self._look(candles, self._first_unseen(newest_ms), newest_ms)
        places = np.array(sorted(self._conformity_scores), np.int64)
        conformity_scores = np.array([self._conformity_scores[place] for place in places.tolist()]).reshape(-1, len(LEVELS))
        now = self._rate.place(np.array([newest_ms]))
        return self._intervals.scaled(self._rate.interval_scales(now, places, conformity_scores)[0])

    def _first_unseen(self, newest_ms: int) -> int:
        """The earliest place of the newest candle's past that has not been looked at yet."""
        start = int(self._rate.start(self._rate.place(np.array([newest_ms])))[0])
        if start != self._start:
            kept = {
                place: conformity_scores
                for place, conformity_scores in self._conformity_scores.items()
                if place >= start and not np.isnan(conformity_scores).any()
            }
            self._start, self._conformity_scores = start, kept
        return next(place for place in itertools.count(start) if place not in self._conformity_scores)

    def _look(self, candles: pd.DataFrame, first: int, newest_ms: int) -> None:
        """Work out the errors of forecasts made from the place `first` on whose actual value is known by now."""
        stride_ms, signature = self._rate.stride_ms, self._signature
        last = (newest_ms - signature.steps * signature.interval.ms) // stride_ms
        if last < first:
            return
        self._conformity_scores |= {
            place: np.full(len(LEVELS), np.nan) for place in range(first, last + 1) if place not in self._conformity_scores
        }
        dataset = build_dataset(signature, candles)
        rows = dataset.between(first * stride_ms, last * stride_ms)
        recent = forecast_rows(self._session, dataset, rows[self._rate.counts(dataset.times[rows])])
        conformity_scores = self._intervals.conformity_scores(recent.actual, recent.forecast, recent.scale)
        self._conformity_scores |= dict(zip(self._rate.place(dataset.times[recent.rows]).tolist(), conformity_scores, strict=True))
