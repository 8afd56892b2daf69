"""From candles to a candidate: a trained, calibrated and scored model with its files.

Time is cut into four parts, with at least one horizon between them: the network learns from the first, stops early by the second,
is shrunk towards the baseline by the third, and is scored on the fourth, which nothing else has touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import structlog
import torch
from torch import nn

from forecasting.bars import Floats, Integers
from forecasting.checkpoint import (
    Learned,
    TrainedModel,
    check_graph,
    from_safetensors,
    samples_of,
    to_onnx,
    to_safetensors,
    warm_start,
)
from forecasting.dataset import Dataset, Parts, build_dataset, candles_digest, split
from forecasting.evaluation import Scores, walk_over
from forecasting.features import default_features
from forecasting.fitting import FitSettings, Progress, Windows, answers_of, fit, reproducible
from forecasting.losses import loss_of
from forecasting.models import model_named
from forecasting.prediction import open_session
from forecasting.shrinkage import fit_shrinkage
from forecasting.signature import Signature
from node.durations import Interval
from node.errors import NotEnoughDataError
from node.topics import Cell

log = structlog.get_logger(__name__)

SAMPLES: Final = 5
WINSORISED: Final = (0.005, 0.995)
"""Quantiles of the training targets at which all targets are cut, so that one crash bar does not decide a squared error."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model and everything a manifest says of it. Times are open times of candles, in milliseconds UTC."""

    signature: Signature
    graph: bytes = field(repr=False)
    weights: bytes = field(repr=False)
    scores: Scores
    shrinkage: float
    samples: list[dict[str, Any]] = field(repr=False)
    data_start_ms: int
    data_end_ms: int
    data_sha256: str
    test_start_ms: int
    test_end_ms: int
    seed: int
    seconds: float
    warm_started: bool


def train(
    cell: Cell,
    model: str,
    loss: str,
    candles: pd.DataFrame,
    *,
    seed: int = 0,
    max_epochs: int = 60,
    interval: Interval | None = None,
    champion: bytes | None = None,
    settings: FitSettings | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Candidate:
    """Train `model` for `cell` on closed candles at `interval`, by default the cell's own, and score it with `loss`.

    `champion` holds the weights (safetensors) of the present champion to start from, which is done only where they fit and have
    not seen what this training keeps apart. The same seed, data and settings give the same bytes on the same machine.
    NotEnoughDataError says how many candles are needed; TrainingError if the fit diverges.
    """
    started = time.perf_counter()
    loss_of(loss)
    signature = signature_of(cell, model, len(candles), interval)
    dataset = build_dataset(signature, candles)
    parts = split(dataset)
    with reproducible(seed):
        trained, learned, warm = _fit(
            dataset, parts, settings or FitSettings(), max_epochs=max_epochs, champion=champion, on_progress=on_progress
        )
        made = _make(trained, learned, dataset, parts.test, loss)
    return Candidate(
        signature=signature,
        graph=made.graph,
        weights=made.weights,
        scores=made.scores,
        shrinkage=float(trained.shrinkage),
        samples=made.samples,
        data_start_ms=int(dataset.times[0]),
        data_end_ms=int(dataset.times[-1]),
        data_sha256=candles_digest(candles),
        test_start_ms=int(dataset.times[parts.test[0]]),
        test_end_ms=int(dataset.times[parts.test[-1]]),
        seed=seed,
        seconds=time.perf_counter() - started,
        warm_started=warm,
    )


def without_skill(candidate: Candidate, candles: pd.DataFrame) -> Candidate:
    """The same candidate, shrunk all the way: it answers the baseline. `candles` are those it was trained on."""
    dataset = build_dataset(candidate.signature, candles)
    rows = dataset.between(candidate.test_start_ms, candidate.test_end_ms)
    network = model_named(candidate.signature.model).build(len(candidate.signature.features))
    model, learned = from_safetensors(candidate.weights, network)
    model.shrinkage.zero_()
    with reproducible(candidate.seed):
        made = _make(model, learned, dataset, rows, candidate.scores.loss_name)
    return replace(candidate, graph=made.graph, weights=made.weights, scores=made.scores, samples=made.samples, shrinkage=0.0)


@dataclass(frozen=True, slots=True)
class _Made:
    graph: bytes
    weights: bytes
    samples: list[dict[str, Any]]
    scores: Scores


def _make(model: TrainedModel, learned: Learned, dataset: Dataset, test: Integers, loss: str) -> _Made:
    """The files of a trained model, checked against each other, and what the graph that will be served scores on the test part."""
    graph = to_onnx(model, dataset.signature)
    samples = samples_of(model, dataset, test[np.linspace(0, len(test) - 1, SAMPLES).astype(int)])
    check_graph(graph, samples)
    walk = walk_over(open_session(graph), dataset, test)
    return _Made(graph, to_safetensors(model, learned), samples, walk.score(loss))


def signature_of(cell: Cell, model: str, bars: int, interval: Interval | None = None) -> Signature:
    """What a model of this name will read when it learns from `bars` candles at `interval`, by default the cell's own."""
    return Signature(
        token=cell.token,
        target=cell.target,
        horizon=cell.horizon,
        interval=interval or cell.interval,
        window=model_named(model).window,
        features=default_features(cell.target, bars),
        model=model,
    )


def _fit(
    dataset: Dataset,
    parts: Parts,
    settings: FitSettings,
    *,
    max_epochs: int,
    champion: bytes | None,
    on_progress: Callable[[Progress], None] | None,
) -> tuple[TrainedModel, Learned, bool]:
    signature = dataset.signature
    model = TrainedModel(model_named(signature.model).build(len(signature.features)), len(signature.features))
    learned = Learned(signature, _seen_until(dataset, parts.training), _seen_until(dataset, parts.validation))
    warm = champion is not None and warm_start(model.network, champion, learned)
    model.standardise.fit(dataset.features[_rows_read(dataset, parts.training)].astype(np.float64))
    standardised = torch.nan_to_num(model.standardise(torch.from_numpy(dataset.features)))
    targets = _winsorised((dataset.truth - dataset.baseline) / dataset.scale, parts.training)
    unit = float(targets[parts.training].std())
    if not unit > 0:
        raise NotEnoughDataError(
            f"the price of {signature.token} never moves in this history", hint="There is nothing to learn yet."
        )
    model.unit.fill_(unit)

    def windows(rows: Integers) -> Windows:
        scaled = torch.from_numpy((targets[rows] / unit).astype(np.float32))
        return Windows(standardised, torch.from_numpy(rows), scaled, signature.window)

    fit(model.network, windows(parts.training), windows(parts.validation), settings, max_epochs=max_epochs, on_progress=on_progress)
    model.shrinkage.fill_(_shrinkage(model.network, windows(parts.calibration), signature.steps))
    return model, learned, warm


def _shrinkage(network: nn.Module, windows: Windows, steps: int) -> float:
    answers = answers_of(network, windows)
    return fit_shrinkage(windows.targets.double().numpy(), answers.double().numpy(), steps)


def _winsorised(targets: Floats, training: Integers) -> Floats:
    """Targets cut at quantiles that the training part alone decides."""
    low, high = np.quantile(targets[training], WINSORISED)
    return np.clip(targets, low, high)


def _rows_read(dataset: Dataset, training: Integers) -> npt.NDArray[np.bool_]:
    """Rows that lie in any training window, once each."""
    read = np.zeros(len(dataset.times), bool)
    for back in range(dataset.signature.window):
        read[training - back] = True
    return read


def _seen_until(dataset: Dataset, rows: Integers) -> int:
    """Open time of the last candle that these rows' truths reach."""
    return int(dataset.times[rows[-1]]) + dataset.signature.horizon.ms
