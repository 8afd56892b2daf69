"""A forecast is made from the newest candles by a checkpoint's ONNX graph; no torch is needed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
import pandas as pd

from forecasting.arrays import Singles
from forecasting.dataset.bars import split_into_runs, with_all_of
from forecasting.dataset.feature_catalogue import compute_features
from forecasting.dataset.signature import Signature
from forecasting.dataset.targets import compute_targets, from_model_space
from forecasting.prediction.onnx_session import run_graph
from node.errors import ForecastError, NotEnoughDataError


@dataclass(frozen=True, slots=True)
class ModelInput:
    """The input of a graph: window [1, W, F], baseline [1] and scale [1], all float32; and the candle it ends with."""

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


def bars_needed(signature: Signature) -> int:
    """Candles from which one forecast can be made."""
    return signature.bars_needed


def model_input(signature: Signature, candles: pd.DataFrame) -> ModelInput:
    """The input that ends with the newest candle of a frame; NotEnoughDataError if history is too short or a gap is in the way."""
    needed = signature.bars_needed
    newest = candles.iloc[-needed:]
    runs = split_into_runs(with_all_of(newest, signature.columns), signature.interval)
    have = len(runs[-1].bars) if runs else 0
    if have < needed:
        reason = "a gap lies in them" if len(newest) >= needed else f"there are {len(newest)}"
        raise NotEnoughDataError(
            f"a forecast of {signature.task} needs the newest {needed} {signature.interval} candles without a gap; {reason}",
            hint="The history is still filling, or the exchange halted; it mends itself as candles arrive.",
        )
    bars = runs[-1].bars
    targets = compute_targets(bars, signature)
    return ModelInput(
        window=compute_features(bars, signature.features)[np.newaxis, -signature.window :],
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
    ForecastError for a forecast that is not finite.
    """
    given = model_input(signature, candles)
    in_model_space = float(run_graph(session, given.window, given.baseline, given.scale)[0])
    price = given.close if last_price is None else last_price
    try:
        value = from_model_space(signature.target, signature.steps, in_model_space, price)
        baseline = from_model_space(signature.target, signature.steps, float(given.baseline[0]), price)
    except OverflowError:
        value = baseline = math.inf
    if not math.isfinite(value) or not math.isfinite(baseline):
        raise ForecastError(f"the model of {signature.task} answers {in_model_space}, which is not a forecast")
    return Forecast(
        value=value,
        log_return_or_log_vol=in_model_space,
        baseline=baseline,
        made_from=given.made_from,
        baseline_in_model_space=float(given.baseline[0]),
        scale=float(given.scale[0]),
        last_price=price,
    )
