"""From candles to a candidate: a trained, calibrated and scored model with its files.

Time is cut into four parts, with at least one horizon between them: the network learns from the first, stops early by the second,
is shrunk towards the baseline by the third, and is scored on the fourth, which nothing else has touched. How the parts of a
model are fitted stands in `forecasting.training.fit_model`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from forecasting.arrays import Integers
from forecasting.dataset.feature_catalogue import reads_leader
from forecasting.dataset.feature_selection import affordable_features, choose_features
from forecasting.dataset.signature import Signature
from forecasting.dataset.windows import Dataset, build_dataset, candles_digest, split
from forecasting.evaluation.losses import loss_of
from forecasting.evaluation.scores import Scores
from forecasting.evaluation.walk_forward import walk_over
from forecasting.models import Model, get_model
from forecasting.models.trained_model import TrainedModel
from forecasting.prediction.conformal import Intervals
from forecasting.prediction.onnx_session import open_session
from forecasting.training.checkpoint import TrainingProvenance, check_graph, from_safetensors, make_samples, to_onnx, to_safetensors
from forecasting.training.fit_model import FitPlan, fit_model
from forecasting.training.training_loop import FitSettings, Progress, reproducible
from node.durations import Interval
from node.topics import Task

SAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model and everything a manifest says of it. Times are open times of candles, in milliseconds UTC.

    `shrinkage` is the greater of the two weights by which regression and network are shrunk; 0 is exactly the baseline. `dataset`
    is what it was trained on, for whoever compares it on the same candles.
    """

    signature: Signature
    graph: bytes = field(repr=False)
    weights: bytes = field(repr=False)
    scores: Scores
    shrinkage: float
    intervals: Intervals
    samples: list[dict[str, Any]] = field(repr=False)
    data_start_ms: int
    data_end_ms: int
    data_sha256: str
    test_start_ms: int
    test_end_ms: int
    seed: int
    seconds: float
    warm_started: bool
    dataset: Dataset = field(repr=False, compare=False)


def train(
    task: Task,
    model: str,
    loss: str,
    candles: pd.DataFrame,
    *,
    seed: int = 0,
    max_epochs: int = 60,
    interval: Interval | None = None,
    features: Sequence[str] = (),
    leader: str | None = None,
    champion: bytes | None = None,
    settings: FitSettings | None = None,
    kind: Model | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Candidate:
    """Train `model` for `task` on closed candles at `interval`, by default the task's own, and score it with `loss`.

    `features` are the names a topic chose, none for the usual ones; `leader` is the token whose candles stand beside those of the
    task (`forecasting.dataset.bars.beside`). `champion` holds the weights (safetensors) of the present champion to start from,
    which is done only where they fit and have not seen what this training keeps apart. `kind` stands in for the registered model of
    that name, which is how other settings are tried; such a candidate is not for publishing. The same seed, data and settings give
    the same bytes on the same machine.
    NotEnoughDataError says how many candles are needed; TrainingError if the fit diverges.
    """
    started = time.perf_counter()
    loss_of(loss)
    signature = make_signature(task, model, len(candles), interval, kind, features=features, leader=leader)
    dataset = build_dataset(signature, candles)
    parts = split(dataset)
    with reproducible(seed):
        fitted = fit_model(dataset, parts, FitPlan(loss, settings or FitSettings(), max_epochs, champion, on_progress, kind))
        files = _export(fitted.model, fitted.provenance, fitted.intervals, dataset, parts.test, loss)
    return Candidate(
        signature=signature,
        graph=files.graph,
        weights=files.weights,
        scores=files.scores,
        shrinkage=fitted.model.shrinkage,
        intervals=fitted.intervals,
        samples=files.samples,
        data_start_ms=int(dataset.times[0]),
        data_end_ms=int(dataset.times[-1]),
        data_sha256=candles_digest(candles, signature.columns),
        test_start_ms=int(dataset.times[parts.test[0]]),
        test_end_ms=int(dataset.times[parts.test[-1]]),
        seed=seed,
        seconds=time.perf_counter() - started,
        warm_started=fitted.warm_started,
        dataset=dataset,
    )


def shrink_to_baseline(candidate: Candidate) -> Candidate:
    """Return the same candidate, shrunk all the way: it forecasts the baseline."""
    dataset = candidate.dataset
    rows = dataset.between(candidate.test_start_ms, candidate.test_end_ms)
    network = get_model(candidate.signature.model).build(len(candidate.signature.features))
    model, provenance = from_safetensors(candidate.weights, network)
    model.shrink_to_baseline()
    before = dataset.between(candidate.data_start_ms, candidate.test_start_ms - candidate.signature.horizon.ms - 1)
    intervals = Intervals.fit(dataset.actual[before], dataset.baseline[before], dataset.scale[before])
    with reproducible(candidate.seed):
        files = _export(model, provenance, intervals, dataset, rows, candidate.scores.loss_name)
    return replace(
        candidate,
        graph=files.graph,
        weights=files.weights,
        scores=files.scores,
        samples=files.samples,
        shrinkage=0.0,
        intervals=intervals,
    )


@dataclass(frozen=True, slots=True)
class _Exported:
    graph: bytes
    weights: bytes
    samples: list[dict[str, Any]]
    scores: Scores


def _export(
    model: TrainedModel, provenance: TrainingProvenance, intervals: Intervals, dataset: Dataset, test: Integers, loss: str
) -> _Exported:
    """Make the files of a trained model, check them against each other, and score the graph on the test part."""
    graph = to_onnx(model, dataset.signature)
    samples = make_samples(model, dataset, test[np.linspace(0, len(test) - 1, SAMPLES).astype(int)])
    check_graph(graph, samples)
    walk = walk_over(open_session(graph), dataset, test, intervals)
    return _Exported(graph, to_safetensors(model, provenance), samples, walk.score(loss))


def make_signature(
    task: Task,
    model: str,
    bars: int,
    interval: Interval | None = None,
    kind: Model | None = None,
    *,
    features: Sequence[str] = (),
    leader: str | None = None,
) -> Signature:
    """Make the signature of a model of this name that learns from `bars` candles at `interval`, by default the task's own.

    A model that names its features itself reads those, whatever was chosen.
    """
    kind = kind or get_model(model)
    names = affordable_features(choose_features(task.target, features, leader) if kind.features is None else kind.features, bars)
    return Signature(
        token=task.token,
        target=task.target,
        horizon=task.horizon,
        interval=interval or task.interval,
        window=kind.window,
        features=names,
        model=model,
        leader=leader if reads_leader(names) else None,
    )
