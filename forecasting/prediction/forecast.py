"""From the newest candles to one number. No torch here: the checkpoint's ONNX graph does the work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort
import pandas as pd

from forecasting.arrays import Floats, Integers, Singles
from forecasting.dataset.bars import runs_of, with_all_of
from forecasting.dataset.feature_catalogue import features_of
from forecasting.dataset.signature import Signature
from forecasting.dataset.targets import from_model_space, targets_of
from forecasting.dataset.windows import Dataset
from forecasting.prediction.conformal import Intervals
from node.errors import ForecastError, NotEnoughDataError
from node.topics import Target

BATCH: Final = 2048
"""Windows a graph is given at a time."""


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What a graph is given: window [1, W, F], baseline [1] and scale [1], all float32; and the candle it ends with."""

    window: Singles
    baseline: Singles
    scale: Singles
    made_from: int
    """Open time of the newest candle, in milliseconds UTC."""
    close: float
    """That candle's close, in the quote currency."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """`value` and `baseline` are in the network's unit: a price, a log return or a volatility
    over the horizon, as `node.truth` has them.

    `baseline_in_model_space` and `scale` are what the graph was given beside the window, `last_price` is what a price starts from.
    """

    value: float
    log_return_or_log_vol: float
    baseline: float
    made_from: int
    baseline_in_model_space: float
    scale: float
    last_price: float


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of a path, at the moment `time_ms` (UTC): the forecast and the intervals that should hold the truth 50, 80 and 90
    times in a hundred, in the network's unit."""

    time_ms: int
    value: float
    low50: float
    high50: float
    low80: float
    high80: float
    low90: float
    high90: float


def bars_needed(signature: Signature) -> int:
    """Candles from which one forecast can be made."""
    return signature.bars_needed


def model_input(signature: Signature, candles: pd.DataFrame) -> ModelInput:
    """The input that ends with the newest candle of a frame; NotEnoughDataError if history is too short or a gap is in the way."""
    needed = signature.bars_needed
    newest = candles.iloc[-needed:]
    runs = runs_of(with_all_of(newest, signature.columns), signature.interval)
    have = len(runs[-1].bars) if runs else 0
    if have < needed:
        reason = "a gap lies in them" if len(newest) >= needed else f"there are {len(newest)}"
        raise NotEnoughDataError(
            f"a forecast of {signature.task} needs the newest {needed} {signature.interval} candles without a gap; {reason}",
            hint="The history is still filling, or the exchange halted; it mends itself as candles arrive.",
        )
    bars = runs[-1].bars
    targets = targets_of(bars, signature)
    return ModelInput(
        window=features_of(bars, signature.features)[np.newaxis, -signature.window :],
        baseline=targets.baseline[-1:].astype(np.float32),
        scale=targets.scale[-1:].astype(np.float32),
        made_from=int(bars.open_time[-1]),
        close=float(bars.close[-1]),
    )


def forecast(
    session: ort.InferenceSession, signature: Signature, candles: pd.DataFrame, last_price: float | None = None
) -> Forecast:
    """Ask a graph about the newest candle of a frame.

    A price is forecast from `last_price`, or from the newest close if that is None. NotEnoughDataError as `model_input`;
    ForecastError for an answer that is not finite.
    """
    given = model_input(signature, candles)
    answer = float(run_graph(session, given.window, given.baseline, given.scale)[0])
    price = given.close if last_price is None else last_price
    try:
        value = from_model_space(signature.target, signature.steps, answer, price)
        baseline = from_model_space(signature.target, signature.steps, float(given.baseline[0]), price)
    except OverflowError:
        value = baseline = math.inf
    if not math.isfinite(value) or not math.isfinite(baseline):
        raise ForecastError(f"the model of {signature.task} answers {answer}, which is not a forecast")
    return Forecast(
        value=value,
        log_return_or_log_vol=answer,
        baseline=baseline,
        made_from=given.made_from,
        baseline_in_model_space=float(given.baseline[0]),
        scale=float(given.scale[0]),
        last_price=price,
    )


def path(
    session: ort.InferenceSession,
    signature: Signature,
    intervals: Intervals,
    candles: pd.DataFrame,
    last_price: float | None,
    steps: int,
) -> list[PathStep]:
    """The way to the horizon from the newest candle of a frame: a forecast and what `path_of` makes of it; errors as `forecast`."""
    return path_of(signature, intervals, forecast(session, signature, candles, last_price), steps)


def path_of(signature: Signature, intervals: Intervals, made: Forecast, steps: int) -> list[PathStep]:
    """The way to the horizon in `steps` equal steps (at least 1), the last of them the forecast itself.

    The model forecasts the horizon and nothing in between, so the steps before it follow from two plain rules. A return spreads
    evenly over time, and its error grows with the square root of time; for log_return a step is the return since now. A
    volatility at a step is that over the horizon's span up to then, known bars and coming ones: in squares it goes evenly from the
    trailing volatility to the forecast, and its error in logs grows with the square root of time.

    ForecastError if a step is not finite.
    """
    return [_path_step(signature, intervals, made, number / steps) for number in range(1, steps + 1)]


def _path_step(signature: Signature, intervals: Intervals, made: Forecast, part: float) -> PathStep:
    """The step after this part of the horizon, 0 < part <= 1."""
    answer = made.log_return_or_log_vol
    middle = answer * part
    if signature.target is Target.VOLATILITY:
        middle = math.log((1 - part) * math.exp(2 * made.baseline_in_model_space) + part * math.exp(2 * answer)) / 2
    edges = intervals.bounds(np.array([answer]), np.array([made.scale]))[0].tolist()
    places = [middle, *(middle + (edge - answer) * math.sqrt(part) for edge in edges)]
    try:
        values = [from_model_space(signature.target, signature.steps, place, made.last_price) for place in places]
    except OverflowError:
        values = [math.inf]
    if not all(math.isfinite(value) for value in values):
        raise ForecastError(f"the path of {signature.task} leaves what numbers can say")
    start_ms = made.made_from + signature.interval.ms
    return PathStep(start_ms + round(part * signature.horizon.ms), *values)


def run_graph(session: ort.InferenceSession, window: Singles, baseline: Singles, scale: Singles) -> Singles:
    """Answers [N] in model space for windows [N, W, F], baselines [N] and scales [N]."""
    answers = session.run(["forecast"], {"window": window, "baseline": baseline, "scale": scale})[0]
    return np.asarray(answers, np.float32)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a graph said at `rows` of a dataset, and what came of it where that is known; all [n], in model space."""

    rows: Integers
    actual: Floats
    forecast: Floats
    baseline: Floats
    scale: Floats

    def at(self, rows: Integers) -> Answers:
        """Those at these rows, which must be among them."""
        place = np.searchsorted(self.rows, rows)
        return Answers(rows, self.actual[place], self.forecast[place], self.baseline[place], self.scale[place])


def answers_at(session: ort.InferenceSession, dataset: Dataset, rows: Integers) -> Answers:
    """Ask a graph at these rows; ForecastError for an answer that is not finite."""
    # The graph works in single precision; so does the baseline it is compared with.
    baseline, scale = dataset.baseline[rows].astype(np.float32), dataset.scale[rows].astype(np.float32)
    pieces = [
        run_graph(session, dataset.windows(rows[place]), baseline[place], scale[place])
        for place in (slice(start, start + BATCH) for start in range(0, len(rows), BATCH))
    ]
    forecast = np.concatenate([np.empty(0, np.float32), *pieces]).astype(np.float64)
    if not np.isfinite(forecast).all():
        raise ForecastError(f"the model of {dataset.signature.task} answers what is not a number")
    return Answers(rows, dataset.actual[rows], forecast, baseline.astype(np.float64), scale.astype(np.float64))


def open_session(graph: bytes | Path) -> ort.InferenceSession:
    """A session on one thread: these graphs are too small to gain from more."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # it would keep for good what the largest batch ever took
    content = graph if isinstance(graph, bytes) else graph.read_bytes()
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
