"""A model is fitted part by part, and each part sees only its own stretch of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from forecasting.dataset.windows import Dataset, Parts, build_dataset, split
from forecasting.models import MODELS
from forecasting.training.fit_model import WINSORISED, FitPlan, FittedModel, fit_model
from forecasting.training.training_loop import reproducible
from node.durations import Duration
from node.errors import TrainingError
from node.topics import Target, Task
from tests.forecasting.conftest import SHORT
from tests.support.forecasting_candles import make_candles, signature_for

TASK = Task("BTC", Target.LOG_RETURN, Duration.parse("1m"))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    signature = replace(signature_for(TASK, window=1), model="linear")
    return build_dataset(signature, make_candles(2_000, seed=1, predictable=0.35))


@pytest.fixture(scope="module")
def parts(dataset: Dataset) -> Parts:
    return split(dataset)


def fitted(dataset: Dataset, parts: Parts, loss: str = "mse", model: str = "linear") -> FittedModel:
    with reproducible(0):
        return fit_model(replace(dataset, signature=replace(dataset.signature, model=model)), parts, FitPlan(loss, SHORT, 1))


def test_the_scaler_is_fitted_on_the_training_windows_alone(dataset: Dataset, parts: Parts) -> None:
    model = fitted(dataset, parts).model
    seen = dataset.features[parts.training].astype(np.float64)
    low, middle, high = np.quantile(seen, (0.25, 0.5, 0.75), axis=0)
    np.testing.assert_allclose(model.standardise.centre, middle, rtol=1e-6)
    np.testing.assert_allclose(model.standardise.deviation, (high - low) / 1.349, rtol=1e-6)


def test_targets_are_measured_in_the_deviation_of_the_winsorised_training_targets(dataset: Dataset, parts: Parts) -> None:
    targets = ((dataset.actual - dataset.baseline) / dataset.scale)[parts.training]
    cut = np.clip(targets, *np.quantile(targets, WINSORISED))
    assert float(fitted(dataset, parts).model.unit) == pytest.approx(cut.std())


def test_what_there_is_to_learn_is_believed_and_forecast(dataset: Dataset, parts: Parts) -> None:
    found = fitted(dataset, parts)
    assert 0 < found.model.shrinkage <= 1
    inputs = (dataset.windows(parts.test), dataset.baseline[parts.test], dataset.scale[parts.test])
    with torch.no_grad():
        forecast = found.model(*(torch.from_numpy(each.astype(np.float32)) for each in inputs)).numpy()
    assert np.corrcoef(forecast, dataset.actual[parts.test])[0, 1] > 0.2


def test_the_test_part_changes_nothing(dataset: Dataset, parts: Parts) -> None:
    changed = dataset.actual.copy()
    changed[parts.test] = 1.0
    first, second = (fitted(each, parts) for each in (dataset, replace(dataset, actual=changed)))
    assert first.intervals == second.intervals
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name


def test_a_model_without_a_regression_is_the_baseline(dataset: Dataset, parts: Parts) -> None:
    found = fitted(dataset, parts, model="persistence")
    assert found.model.shrinkage == 0
    assert not found.model.line_weights.any()
    rows = np.concatenate((parts.training, parts.validation, parts.calibration))
    inside = found.intervals.bounds(dataset.baseline[rows], dataset.scale[rows])[:, 4:6]
    actual = dataset.actual[rows]
    assert np.mean((inside[:, 0] <= actual) & (actual <= inside[:, 1])) == pytest.approx(0.9, abs=0.03)


def test_it_says_what_weights_have_seen(dataset: Dataset, parts: Parts) -> None:
    provenance = fitted(dataset, parts).provenance
    assert provenance.trained_until_ms == dataset.times[parts.training[-1]] + TASK.horizon.ms
    assert provenance.validated_until_ms == dataset.times[parts.validation[-1]] + TASK.horizon.ms


def test_a_level_is_corrected_only_where_squares_of_levels_are_paid() -> None:
    task = Task("BTC", Target.VOLATILITY, Duration.parse("5m"))
    dataset = build_dataset(replace(signature_for(task, window=1), model="linear"), make_candles(4_000))
    parts = split(dataset)
    assert abs(float(fitted(dataset, parts).model.offset)) > 0.01
    assert float(fitted(dataset, parts, loss="mae").model.offset) == 0


def test_a_target_that_the_model_does_not_forecast_is_an_error(dataset: Dataset, parts: Parts) -> None:
    assert MODELS["har"].targets == (Target.VOLATILITY,)
    with pytest.raises(TrainingError, match="har forecasts volatility, not log_return"):
        fitted(dataset, parts, model="har")
