"""Nothing at a candle may depend on a later one, or on one before the declared warm-up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.dataset.bars import beside, split_into_runs
from forecasting.dataset.feature_catalogue import FEATURES, compute_feature_matrix, compute_features, longest_warm_up
from forecasting.dataset.feature_selection import DEFAULT_FEATURES, affordable_features
from forecasting.dataset.signature import Signature
from forecasting.dataset.targets import compute_targets
from node.durations import Duration, Interval
from node.topics import Target, Task
from tests.support.forecasting_candles import make_candles, signature_for

ROWS = 1_600
PRICES = ["open", "high", "low", "close"]
NAMES = tuple(FEATURES)
USUAL = tuple(name for name in NAMES if not FEATURES[name].needs)


def traded(seed: int) -> pd.DataFrame:
    """Candles that know what takers bought and how many trades there were."""
    candles, noise = make_candles(ROWS, seed=seed), np.random.default_rng(seed)
    return candles.assign(taker_base=candles["volume"] * noise.uniform(size=ROWS), trades=noise.poisson(50.0, ROWS).astype(float))


OWN, LEADER_CANDLES = traded(0), traded(7)
CANDLES = beside(OWN, LEADER_CANDLES)
TARGETS = [
    signature_for(Task("BTC", Target.PRICE, Duration.parse("10m"))),
    signature_for(Task("BTC", Target.VOLATILITY, Duration.parse("15m"))),
    signature_for(Task("BTC", Target.VOLATILITY, Duration.parse("4h"))),
]

OPTIONAL = ("taker_base", "trades", "leader_taker_base")

any_row = st.integers(0, ROWS - 1)


def bars_of(candles: pd.DataFrame):
    (run,) = split_into_runs(candles, Interval.MINUTE)
    return run.bars


def with_changes(candles: pd.DataFrame, start: int, stop: int, factor: float, volume: float) -> pd.DataFrame:
    changed = candles.copy()
    place = changed.index[start:stop]
    changed.loc[place, PRICES] *= factor
    changed.loc[place, "volume"] = volume
    changed.loc[place, "taker_base"] = volume / 3
    changed.loc[place, "trades"] += 9
    return changed


changes = {"factor": st.floats(0.01, 100).filter(lambda x: x != 1), "volume": st.floats(0, 1e9)}


@settings(max_examples=40, deadline=None)
@given(row=any_row, length=st.integers(1, 50), **changes)
def test_no_feature_changes_when_a_later_candle_does(row: int, length: int, factor: float, volume: float) -> None:
    changed = with_changes(CANDLES, row + 1, row + 1 + length, factor, volume)
    before = compute_feature_matrix(CANDLES, NAMES, Interval.MINUTE)[: row + 1]
    after = compute_feature_matrix(changed, NAMES, Interval.MINUTE)[: row + 1]
    np.testing.assert_array_equal(before, after)


@settings(max_examples=40, deadline=None)
@given(row=any_row, length=st.integers(1, 50), **changes)
def test_no_feature_changes_when_another_tokens_later_candle_does(row: int, length: int, factor: float, volume: float) -> None:
    other = with_changes(LEADER_CANDLES, row + 1, row + 1 + length, factor, volume)
    before = compute_feature_matrix(CANDLES, NAMES, Interval.MINUTE)[: row + 1]
    after = compute_feature_matrix(beside(OWN, other), NAMES, Interval.MINUTE)[: row + 1]
    np.testing.assert_array_equal(before, after)


@settings(max_examples=40, deadline=None)
@given(row=any_row)
def test_another_tokens_candle_that_closes_later_is_not_there_yet(row: int) -> None:
    known = beside(OWN.iloc[: row + 1], LEADER_CANDLES)
    assert known["open_time"].iloc[-1] == OWN["open_time"].iloc[row]
    pd.testing.assert_frame_equal(known, CANDLES.iloc[: row + 1])
    assert len(beside(OWN, LEADER_CANDLES.iloc[: row + 1])) == row + 1


def test_where_another_token_has_no_candle_there_is_a_gap() -> None:
    gap = 700
    matrix = compute_feature_matrix(beside(OWN, LEADER_CANDLES.drop(index=gap)), NAMES, Interval.MINUTE)
    fresh = compute_feature_matrix(CANDLES.iloc[gap + 1 :], NAMES, Interval.MINUTE)
    np.testing.assert_array_equal(matrix[gap:], fresh)


@settings(max_examples=30, deadline=None)
@given(row=any_row, length=st.integers(1, 50), signature=st.sampled_from(TARGETS), **changes)
def test_neither_baseline_nor_scale_changes_when_a_later_candle_does(
    row: int, length: int, signature: Signature, factor: float, volume: float
) -> None:
    before = compute_targets(bars_of(CANDLES), signature)
    after = compute_targets(bars_of(with_changes(CANDLES, row + 1, row + 1 + length, factor, volume)), signature)
    np.testing.assert_array_equal(before.baseline[: row + 1], after.baseline[: row + 1])
    np.testing.assert_array_equal(before.scale[: row + 1], after.scale[: row + 1])


@settings(max_examples=20, deadline=None)
@given(row=any_row, signature=st.sampled_from(TARGETS), **changes)
def test_a_truth_depends_on_its_own_horizon_alone(row: int, signature: Signature, factor: float, volume: float) -> None:
    before = compute_targets(bars_of(CANDLES), signature).actual
    beyond = compute_targets(bars_of(with_changes(CANDLES, row + signature.steps + 1, ROWS, factor, volume)), signature).actual
    np.testing.assert_array_equal(before[: row + 1], beyond[: row + 1])


@pytest.mark.parametrize("name", NAMES)
def test_history_before_the_declared_warm_up_changes_nothing(name: str) -> None:
    whole = compute_feature_matrix(CANDLES, [name], Interval.MINUTE)
    warm_up = FEATURES[name].warm_up
    for start in (1, 77, ROWS - warm_up - 1):
        part = compute_feature_matrix(CANDLES.iloc[start:], [name], Interval.MINUTE)
        np.testing.assert_array_equal(part[warm_up:], whole[start + warm_up :])
        assert np.isfinite(part[warm_up:]).all()
        assert np.isnan(part[:warm_up]).all()


@pytest.mark.parametrize("signature", TARGETS, ids=lambda signature: str(signature.task))
def test_baseline_and_scale_need_no_more_than_the_signature_says(signature: Signature) -> None:
    whole = compute_targets(bars_of(CANDLES), signature)
    part = compute_targets(bars_of(CANDLES.iloc[-signature.warm_up - 1 :]), signature)
    assert part.baseline[-1] == whole.baseline[-1]
    assert part.scale[-1] == whole.scale[-1]


def test_a_feature_starts_anew_after_a_gap() -> None:
    gap = 700
    matrix = compute_feature_matrix(CANDLES.drop(index=gap), NAMES, Interval.MINUTE)
    fresh = compute_feature_matrix(CANDLES.iloc[gap + 1 :], NAMES, Interval.MINUTE)
    np.testing.assert_array_equal(matrix[gap:], fresh)


def test_a_market_that_stands_still_has_finite_features_and_a_finite_truth() -> None:
    still = OWN.assign(open=5.0, high=5.0, low=5.0, close=5.0, volume=0.0, taker_base=0.0, trades=0.0)
    still = beside(still, still)
    assert np.isfinite(compute_feature_matrix(still, NAMES, Interval.MINUTE)[longest_warm_up(NAMES) :]).all()
    for signature in TARGETS:
        targets = compute_targets(bars_of(still), signature)
        assert np.isfinite(targets.actual[signature.warm_up : -signature.steps]).all()
        assert (targets.scale[signature.warm_up :] > 0).all()


def test_usual_features_need_only_what_every_source_has() -> None:
    bare = CANDLES.assign(quote_volume=np.nan, trades=np.nan, taker_base=np.nan, taker_quote=np.nan)
    full = CANDLES.assign(quote_volume=1.0, trades=2.0, taker_base=3.0, taker_quote=4.0)
    np.testing.assert_array_equal(
        compute_feature_matrix(bare, USUAL, Interval.MINUTE), compute_feature_matrix(full, USUAL, Interval.MINUTE)
    )
    assert set(USUAL) >= {name for names in DEFAULT_FEATURES.values() for name in names}


def test_a_feature_that_needs_more_says_so() -> None:
    for name in set(NAMES) - set(USUAL):
        bare = CANDLES.assign(**dict.fromkeys(FEATURES[name].needs, np.nan))
        assert np.isnan(compute_feature_matrix(bare, [name], Interval.MINUTE)).all()
        only = CANDLES.assign(**{column: np.nan for column in OPTIONAL if column not in FEATURES[name].needs})
        np.testing.assert_array_equal(
            compute_feature_matrix(only, [name], Interval.MINUTE), compute_feature_matrix(CANDLES, [name], Interval.MINUTE)
        )


def test_returns_are_measured_in_deviations_so_a_coin_of_another_price_looks_the_same() -> None:
    dear = CANDLES.copy()
    dear[PRICES] *= 1024
    np.testing.assert_allclose(
        compute_features(bars_of(dear), NAMES)[1440:], compute_features(bars_of(CANDLES), NAMES)[1440:], rtol=1e-4, atol=1e-5
    )


def test_a_short_history_does_without_the_features_it_cannot_afford() -> None:
    assert "log_volatility_1440" not in affordable_features(DEFAULT_FEATURES[Target.VOLATILITY], 4_320)
    assert affordable_features(DEFAULT_FEATURES[Target.VOLATILITY], 129_600) == DEFAULT_FEATURES[Target.VOLATILITY]
