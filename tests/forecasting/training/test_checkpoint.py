"""Whatever was once released still answers as it did."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from forecasting.dataset.feature_catalogue import compute_feature_matrix
from forecasting.dataset.signature import Signature
from forecasting.prediction.conformal import Intervals
from forecasting.prediction.forecast import forecast, model_input
from forecasting.prediction.onnx_session import open_session, run_graph
from forecasting.prediction.path import compute_path
from forecasting.training.checkpoint import TrainingProvenance
from tests.support.forecasting_candles import make_candles
from tests.support.paths import ROOT

RELEASED = sorted((ROOT / "tests/data" / "checkpoints").iterdir())


def test_both_kinds_of_every_released_signature_are_kept() -> None:
    assert {folder.name for folder in RELEASED} >= {
        f"{release}-{kind}" for release in (1, 2) for kind in ("price-1m", "volatility-15m")
    }


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_a_released_checkpoint_loads_and_reproduces_its_samples(folder: Path) -> None:
    about = json.loads((folder / "about.json").read_text())
    signature, session = Signature.from_dict(about["signature"]), open_session(folder / "model.onnx")
    for sample in about["samples"]:
        window, baseline, scale = (np.array([sample[name]], np.float32) for name in ("window", "baseline", "scale"))
        assert run_graph(session, window, baseline, scale)[0] == pytest.approx(sample["forecast"], abs=1e-5)
    assert TrainingProvenance.from_weights((folder / "weights.safetensors").read_bytes()).signature == signature


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_a_released_checkpoint_is_fed_what_it_was_trained_on(folder: Path) -> None:
    """Features keep their meaning: a sample's window is made of the same candles again."""
    about = json.loads((folder / "about.json").read_text())
    signature = Signature.from_dict(about["signature"])
    price = signature.target.value == "price"
    candles = make_candles(3000, seed=1, predictable=0.35) if price else make_candles(3000)
    wanted = np.array(about["samples"][0]["window"], np.float32)
    matrix = compute_feature_matrix(candles, signature.features, signature.interval)
    (ends,) = np.nonzero(np.isclose(matrix, wanted[-1], rtol=1e-5, atol=1e-6).all(axis=1))
    first = candles.iloc[: ends[0] + 1]
    np.testing.assert_allclose(model_input(signature, first).window[0], wanted, rtol=1e-5, atol=1e-6)
    session = open_session(folder / "model.onnx")
    made = forecast(session, signature, first)
    assert made.log_return_or_log_vol == pytest.approx(about["samples"][0]["forecast"], abs=1e-5)
    if "intervals" in about:
        steps = compute_path(signature, Intervals.from_dict(about["intervals"]), made, 3)
        assert steps[-1].low90 < made.value < steps[-1].high90
