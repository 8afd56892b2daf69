"""Every model by its name: it trains, it is served, and it starts from what a regression or the baseline says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from forecasting.dataset.bars import split_into_runs
from forecasting.dataset.feature_catalogue import FEATURES
from forecasting.dataset.windows import build_dataset
from forecasting.evaluation.losses import LOSSES
from forecasting.models import MODELS
from forecasting.models.ridge import PENALTIES, fit_ridge, predict_out_of_fold
from forecasting.training.torch_losses import TORCH_LOSSES, correction_loss
from forecasting.training.train import Candidate, train
from node.durations import Duration, Interval
from node.errors import TrainingError
from node.model_names import LOSS_NAMES as CONFIGURABLE_LOSSES
from node.model_names import MODEL_NAMES as CONFIGURABLE_MODELS
from node.topics import Target, Task
from tests.forecasting.conftest import SHORT
from tests.support.paths import ROOT

PRICE = Task("BTC", Target.PRICE, Duration.parse("1m"))


def quick(task: Task, model: str, candles: pd.DataFrame, loss: str = "mse", epochs: int = 1) -> Candidate:
    return train(task, model, loss, candles, max_epochs=epochs, settings=SHORT)


def test_the_registry_is_what_the_config_allows() -> None:
    files = sorted((ROOT / "forecasting/models").glob("*.py"))
    assert {file.stem for file in files if "\nMODEL: Final = " in file.read_text()} == set(MODELS) == set(CONFIGURABLE_MODELS)
    assert set(TORCH_LOSSES) == set(LOSSES) == set(CONFIGURABLE_LOSSES)
    assert all(set(model.features or ()) <= set(FEATURES) for model in MODELS.values())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_trains_and_is_served_for_volatility(name: str, volatility_task: Task, candles: pd.DataFrame) -> None:
    candidate = quick(volatility_task, name, candles)
    baseline = MODELS[name].regression is None
    assert (candidate.scores.ratio == 1.0) is baseline
    assert candidate.scores.ratio <= 1.0
    assert (candidate.shrinkage == 0) is baseline


@pytest.mark.parametrize("name", sorted(name for name, model in MODELS.items() if Target.PRICE in model.targets))
def test_every_model_of_returns_trains_and_is_served(name: str, price_candles: pd.DataFrame) -> None:
    assert quick(PRICE, name, price_candles).scores.ratio <= 1.0


@pytest.mark.parametrize("name", ["har", "trailing_volatility"])
def test_a_model_of_volatility_says_that_it_is_none_of_prices(name: str, price_candles: pd.DataFrame) -> None:
    with pytest.raises(TrainingError, match="volatility"):
        quick(PRICE, name, price_candles)


def test_a_network_that_learned_nothing_is_the_regression(volatility_task: Task, candles: pd.DataFrame) -> None:
    scores = [quick(volatility_task, name, candles, epochs=0).scores for name in ("linear", "mlp")]
    assert scores[1].ratio == pytest.approx(scores[0].ratio, abs=0.02)
    assert scores[1].ratio < 0.99


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_can_drive_a_training(loss: str, price_candles: pd.DataFrame) -> None:
    candidate = quick(PRICE, "mlp", price_candles, loss, epochs=3)
    assert candidate.scores.loss_name == loss
    assert candidate.scores.skill >= 0


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_what_drives_a_training_is_what_scores_it(loss: str) -> None:
    noise = np.random.default_rng(0)
    actual, forecast, other = noise.standard_t(4, (3, 300))
    scored = [LOSSES[loss](actual, each, np.ones(300)).mean() for each in (forecast, other)]
    driven = [float(TORCH_LOSSES[loss](torch.from_numpy(actual), torch.from_numpy(each))) for each in (forecast, other)]
    # But for constants that no forecast can change.
    assert driven[0] - driven[1] == pytest.approx(scored[0] - scored[1], abs=1e-6)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_a_correction_is_added_to_what_the_regression_predicts(loss: str) -> None:
    noise = torch.Generator().manual_seed(0)
    actual, predicted, correction = torch.randn(3, 50, generator=noise)
    target_std = 0.5
    given = float(correction_loss(loss, target_std)(correction, torch.stack((actual, predicted), dim=1)))
    whole = float(TORCH_LOSSES[loss](actual, predicted + target_std * correction))
    assert given == pytest.approx(whole / (target_std**2 if loss == "mse" else 1), rel=1e-5)


def test_an_out_of_fold_prediction_is_made_from_the_past_alone() -> None:
    noise = np.random.default_rng(0)
    features, rows, steps = noise.normal(size=(1_000, 4)), np.arange(1_000), 10
    targets = features @ [1.0, 0.5, 0.0, 0.0] + noise.normal(size=1_000)
    out_of_fold = predict_out_of_fold(features, targets, rows, steps, PENALTIES[:1])
    assert out_of_fold.rows[0] == 250
    changed = targets.copy()
    changed[600:] = 100.0
    other = predict_out_of_fold(features, changed, rows, steps, PENALTIES[:1])
    untouched = out_of_fold.rows < 600
    np.testing.assert_array_equal(other.predictions[untouched], out_of_fold.predictions[untouched])
    assert np.corrcoef(out_of_fold.predictions, targets[out_of_fold.rows])[0, 1] > 0.6


def test_a_regression_without_penalty_is_least_squares(candles: pd.DataFrame) -> None:
    noise = np.random.default_rng(0)
    features, targets = noise.normal(size=(200, 3)), noise.normal(size=200)
    (ridge,) = fit_ridge(features, targets, [1e-12])
    expected = np.linalg.lstsq(np.column_stack((features, np.ones(200))), targets, rcond=None)[0]
    np.testing.assert_allclose([*ridge.weights, ridge.bias], expected, atol=1e-6)


def test_the_regression_of_a_volatility_can_take_the_baseline_back(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    signature = volatility_model.signature
    dataset = build_dataset(signature, candles)
    column = signature.features.index("log_standard_deviation_15")
    rows = dataset.known
    np.testing.assert_allclose(dataset.features[rows, column], dataset.baseline[rows], rtol=1e-6)
    assert len(split_into_runs(candles, Interval.MINUTE)) == 1
