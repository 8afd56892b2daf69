"""Rows, windows and the parts of time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.dataset.signature import Signature
from forecasting.dataset.windows import build_dataset, candles_digest, rows_needed, split
from node.durations import Duration
from node.errors import ForecastError, NotEnoughDataError
from node.topics import Target, Task
from tests.support.forecasting_candles import make_candles, signature_for

TASK = Task("BTC", Target.PRICE, Duration.parse("10m"))
SIGNATURE = signature_for(TASK)
CANDLES = make_candles(2_000)


def test_a_window_ends_at_its_row() -> None:
    dataset = build_dataset(SIGNATURE, CANDLES)
    rows = dataset.known[[0, 5, -1]]
    windows = dataset.windows(rows)
    assert windows.shape == (3, SIGNATURE.window, len(SIGNATURE.features))
    for row, window in zip(rows, windows, strict=True):
        np.testing.assert_array_equal(window, dataset.features[row - SIGNATURE.window + 1 : row + 1])


@settings(max_examples=25, deadline=None)
@given(gaps=st.sets(st.integers(0, len(CANDLES) - 1), max_size=6))
def test_no_window_and_no_outcome_crosses_a_gap(gaps: set[int]) -> None:
    candles = CANDLES.drop(index=sorted(gaps)).reset_index(drop=True)
    dataset = build_dataset(SIGNATURE, candles)
    for rows, behind, ahead in ((dataset.usable, SIGNATURE.bars_needed - 1, 0), (dataset.known, 0, SIGNATURE.steps)):
        span = dataset.times[rows + ahead] - dataset.times[rows - behind]
        assert (span == (behind + ahead) * SIGNATURE.interval.ms).all()
    assert np.isfinite(dataset.windows(dataset.usable)).all()
    assert np.isfinite(dataset.actual[dataset.known]).all()


@settings(max_examples=25, deadline=None)
@given(
    horizon=st.sampled_from(["1m", "5m", "10m", "20m", "55m"]),
    gaps=st.sets(st.integers(0, len(CANDLES) - 1), max_size=2),
)
def test_at_least_a_horizon_lies_between_two_parts(horizon: str, gaps: set[int]) -> None:
    signature = signature_for(Task("BTC", Target.PRICE, Duration.parse(horizon)))
    dataset = build_dataset(signature, CANDLES.drop(index=sorted(gaps)))
    if len(dataset.known) < rows_needed(signature):
        return
    parts = split(dataset)
    order = [parts.training, parts.validation, parts.calibration, parts.test]
    for earlier, later in pairwise(order):
        assert dataset.times[later[0]] - dataset.times[earlier[-1]] > signature.horizon.ms
    assert all(len(part) >= 60 for part in order)
    assert parts.test[-1] == dataset.known[-1]


@pytest.mark.parametrize("horizon", ["1m", "10m", "55m"])
def test_as_many_candles_as_the_error_asks_for_are_enough(horizon: str) -> None:
    signature = signature_for(Task("BTC", Target.PRICE, Duration.parse(horizon)))
    with pytest.raises(NotEnoughDataError, match=r"at least (\d+) unbroken") as caught:
        split(build_dataset(signature, CANDLES[:300]))
    needed = int(caught.value.message.split("at least ")[1].split()[0])
    parts = split(build_dataset(signature, CANDLES[:needed]))
    assert min(len(parts.validation), len(parts.calibration), len(parts.test)) >= 55
    with pytest.raises(NotEnoughDataError):
        split(build_dataset(signature, CANDLES[: needed - 1]))


def test_no_candles_at_all_are_not_enough() -> None:
    with pytest.raises(NotEnoughDataError):
        split(build_dataset(SIGNATURE, CANDLES[:0]))


def test_the_digest_tells_candles_apart() -> None:
    changed = CANDLES.copy()
    changed.loc[7, "close"] += 1e-9
    assert candles_digest(CANDLES) == candles_digest(CANDLES.copy())
    assert candles_digest(CANDLES) != candles_digest(changed)


def test_a_signature_survives_the_way_through_a_manifest() -> None:
    for task in (TASK, Task("SOL", Target.LOG_RETURN, Duration.parse("7d")), Task("ETH", Target.VOLATILITY, Duration.parse("4h"))):
        signature = signature_for(task)
        assert Signature.from_dict(signature.to_dict()) == signature
        assert signature.task == task
        assert signature.steps == task.steps


@pytest.mark.parametrize("change", [{"features": ["moon_phase"]}, {"target": "luck"}, {"horizon": 5}, {"window": None, "more": 1}])
def test_a_signature_that_cannot_be_read_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ForecastError):
        Signature.from_dict(SIGNATURE.to_dict() | change)
