"""The expectation of a log lies below the log of the expected level; by how much is learned where it shows."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.training.shrinkage import HORIZONS_PER_STRETCH, STRETCHES, fit_smearing_correction

ROWS = STRETCHES * HORIZONS_PER_STRETCH * 15


def logs(rows: int = ROWS, spread: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(2)
    forecast = noise.normal(-7, 0.3, rows)
    return forecast + noise.normal(0, spread, rows), forecast


def test_levels_are_lifted_by_what_their_errors_call_for() -> None:
    assert fit_smearing_correction(*logs(), 15) == pytest.approx(0.4**2 / 2, abs=0.01)


def test_one_wild_week_does_not_decide_it() -> None:
    actual, forecast = logs()
    actual[: ROWS // STRETCHES] += 2.0
    assert fit_smearing_correction(actual, forecast, 15) == pytest.approx(0.4**2 / 2, abs=0.02)


def test_stretches_that_contradict_each_other_or_are_too_short_say_nothing() -> None:
    actual, forecast = logs(spread=0.0)
    swinging = actual + np.repeat(np.tile([0.5, -0.5], STRETCHES // 2), ROWS // STRETCHES)
    assert fit_smearing_correction(swinging, forecast, 15) == 0
    assert fit_smearing_correction(*(each[:-1] for each in logs()), 15) == 0
