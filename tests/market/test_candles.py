"""The invariants of a candle, alone and in a frame."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.candles import COLUMNS, Candle, check_candles, empty_candles, plausible_rows, sound_rows
from node.durations import Interval
from node.errors import BadMarketDataError
from tests.support.market_candles import MINUTE, NOW_MS, make_candles

START = NOW_MS - 10 * MINUTE.ms


def changed(row: int, **values: Any) -> pd.DataFrame:
    candles = make_candles(START, 10)
    for name, value in values.items():
        candles.loc[row, name] = value
    return candles


def test_sound_candles_pass_unchanged() -> None:
    candles = make_candles(START, 10)
    pd.testing.assert_frame_equal(check_candles(candles, MINUTE, NOW_MS), candles)


def test_an_empty_frame_is_sound_and_has_every_column() -> None:
    assert tuple(check_candles(empty_candles(), MINUTE, NOW_MS).columns) == COLUMNS
    assert check_candles(empty_candles(), MINUTE, NOW_MS)["open_time"].dtype == np.int64


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"close": math.nan}, "finite and positive"),
        ({"high": math.inf}, "finite and positive"),
        ({"open": 0.0, "low": 0.0}, "finite and positive"),
        ({"low": -1.0}, "finite and positive"),
        ({"low": 100.9, "high": 200.0}, "enclose"),
        ({"high": 50.0}, "enclose"),
        ({"volume": -0.1}, "volume is negative"),
        ({"volume": math.nan}, "volume is negative or not finite"),
        ({"trades": -1.0}, "trades is negative"),
        ({"taker_quote": math.inf}, "taker_quote is negative or infinite"),
        ({"open_time": START + 1}, "grid"),
        ({"open_time": START + 5 * MINUTE.ms}, "same open time"),
        ({"open_time": NOW_MS}, "not closed"),
        ({"open_time": NOW_MS - MINUTE.ms // 2}, "grid"),
    ],
)
def test_what_breaks_an_invariant_is_refused(values: dict[str, float], rule: str) -> None:
    with pytest.raises(BadMarketDataError, match=rule):
        check_candles(changed(4, **values), MINUTE, NOW_MS)


def test_a_candle_counts_as_closed_at_its_close_and_not_a_moment_sooner() -> None:
    candles = make_candles(START, 10)
    assert len(check_candles(candles, MINUTE, NOW_MS)) == 10
    with pytest.raises(BadMarketDataError, match="1 of 10 1m candles: not closed yet"):
        check_candles(candles, MINUTE, NOW_MS - 1)


def test_order_types_and_identical_rows_are_put_right() -> None:
    candles = make_candles(START, 10)
    mixed = pd.concat([candles[5:], candles, candles[:2]]).sample(frac=1, random_state=1).astype(str)
    pd.testing.assert_frame_equal(check_candles(mixed, MINUTE, NOW_MS), candles)


def test_columns_a_source_lacks_are_nan_and_required_ones_are_missed() -> None:
    short = make_candles(START, 10)[["open_time", "open", "high", "low", "close", "volume"]]
    assert check_candles(short, MINUTE, NOW_MS)["trades"].isna().all()
    with pytest.raises(BadMarketDataError, match="lack the column volume"):
        check_candles(short.drop(columns="volume"), MINUTE, NOW_MS)


@pytest.mark.parametrize("value", ["many", None, {"a": 1}])
def test_what_is_not_a_number_is_refused(value: object) -> None:
    candles = make_candles(START, 10).astype(object)
    candles.at[3, "close"] = value
    with pytest.raises(BadMarketDataError):
        check_candles(candles, MINUTE, NOW_MS)


numbers = st.floats(width=32) | st.floats(90, 110) | st.sampled_from([0.0, -1.0, 100.0])


@settings(deadline=None)
@given(st.lists(numbers, min_size=9, max_size=9), st.sampled_from([START, START + 1, -60_000, 0]))
def test_one_candle_and_a_frame_are_judged_alike(values: list[float], open_time: int) -> None:
    frame = pd.DataFrame([[open_time, *values]], columns=list(COLUMNS))
    sound = bool(sound_rows(frame, MINUTE)[0])
    try:
        candle = Candle(MINUTE, open_time, *values)
    except BadMarketDataError:
        assert not sound
        with pytest.raises(BadMarketDataError):
            check_candles(frame, MINUTE, NOW_MS)
    else:
        assert sound
        assert candle.close_time == open_time + MINUTE.ms
        assert len(check_candles(frame, MINUTE, NOW_MS)) == 1


def test_rows_that_contradict_each_other_are_both_unsound() -> None:
    candles = pd.concat([make_candles(START, 3), make_candles(START, 1, seed=7)], ignore_index=True)
    assert sound_rows(candles, MINUTE).tolist() == [False, True, True, False]


def test_a_candle_ten_times_too_high_is_implausible_with_its_neighbour() -> None:
    candles = changed(4, close=1000.0, high=1000.0)
    assert np.flatnonzero(~plausible_rows(candles, MINUTE)).tolist() == [4, 5]


def implausible(first: int, end: int, count: int = 200) -> list[int]:
    """The rows that are not believed where those from `first` to before `end` are a thousand times too high."""
    candles = make_candles(START, count)
    candles.loc[first : end - 1, ["open", "high", "low", "close"]] *= 1000
    return np.flatnonzero(~plausible_rows(candles, MINUTE)).tolist()


def test_prices_on_another_scale_for_long_are_implausible_where_they_begin() -> None:
    assert implausible(140, 200) == [139, 140]
    assert implausible(80, 140) == [79, 80, 139, 140]


def test_a_spike_of_several_candles_is_implausible_whole() -> None:
    assert implausible(100, 105) == list(range(99, 106)), "in the middle"
    assert implausible(195, 200) == list(range(194, 200)), "at the end"
    assert implausible(0, 5) == list(range(6)), "at the beginning"
    assert implausible(1, 4, 4) == [0, 1, 2, 3], "where all there is to compare with is the candle before it"
    assert implausible(1, 4, 6) == [0, 1, 2, 3, 4], "and its end is noticed at once"


def test_two_spikes_leave_what_lies_between_them() -> None:
    candles = make_candles(START, 100)
    candles.loc[[70, 80], ["open", "high", "low", "close"]] *= 1000
    assert np.flatnonzero(~plausible_rows(candles, MINUTE)).tolist() == [69, 70, 71, 79, 80, 81]
    day = make_candles(0, 100, Interval.DAY)
    day.loc[80, ["high", "close"]] *= 1000
    assert np.flatnonzero(~plausible_rows(day, Interval.DAY)).tolist() == [80, 81]


def test_a_crash_a_day_range_and_a_jump_across_a_halt_are_plausible() -> None:
    crash = changed(4, low=40.0)
    assert plausible_rows(crash, MINUTE).all()
    day = make_candles(0, 3, Interval.DAY)
    day.loc[1, "low"] = 1.0
    assert plausible_rows(day, Interval.DAY).all()
    halted = make_candles(START, 10).drop(index=[4, 5]).reset_index(drop=True)
    halted.loc[4:, ["open", "high", "low", "close"]] *= 3
    assert plausible_rows(halted, MINUTE).all()
