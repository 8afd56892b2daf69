"""A wrong unit is found, called by its name and withheld; markets as they are, and crashes, never are."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.durations import Duration, Interval
from node.topics import Target, Task
from node.truth import minutes
from simulator.exchange.synthetic import SyntheticMarket
from worker.unit_guard import MAX_FACTOR, WINDOWS_BEYOND, Comparison, UnitGuard, compare, suspicion_of

NOW_MS = 1_790_000_000_000
EPOCH_MINUTES = 5
WINDOWS = 1000
VOLATILITY, PRICE, RETURN = Target.VOLATILITY, Target.PRICE, Target.LOG_RETURN
TASKS = [
    (VOLATILITY, "5m"), (VOLATILITY, "15m"), (VOLATILITY, "4h"), (PRICE, "5m"), (PRICE, "24h"), (RETURN, "15m"), (RETURN, "8h"),
    (RETURN, "7d"),
]  # fmt: skip
Pair = tuple[float, list[float]]


def task(target: Target, horizon: str) -> Task:
    return Task("ETH", target, Duration.parse(horizon))


@pytest.fixture(scope="module")
def closes() -> np.ndarray:
    """Two weeks of minutes with clusters of volatility and fat tails."""
    return SyntheticMarket(3, 20).candles("ETHUSDT", Interval.MINUTE, NOW_MS).values[: 14 * 1440, 3]


def answers(closes: np.ndarray, of: Task, seed: int, crash_at: int | None = None) -> Iterator[Pair]:
    """Window after window our answer, of an hour's memory, and what five others said an epoch ago, of the horizon's memory."""
    generator = np.random.default_rng(seed)
    returns, count = np.diff(np.log(closes), prepend=np.log(closes[0])), int(minutes(of.horizon))
    if crash_at is not None:
        returns[crash_at : crash_at + 10] += math.log(0.7) / 10
    prices, lean, said = closes[0] * np.exp(np.cumsum(returns)), 0.12 * generator.normal(size=5), []
    for now in range(1500, 1500 + WINDOWS * EPOCH_MINUTES, EPOCH_MINUTES):
        before = said
        ours, said = _one(of, prices, returns, now, count, lean + 0.12 * generator.normal(size=5))
        if before:
            yield ours, before


def _one(of: Task, prices: np.ndarray, returns: np.ndarray, now: int, count: int, noise: np.ndarray) -> Pair:
    move = math.log(prices[now] / prices[now - 15])
    match of.target:
        case Target.PRICE:
            return float(prices[now]), (prices[now] * np.exp(0.004 * noise)).tolist()
        case Target.LOG_RETURN:
            return 0.1 * move, (0.05 * move + 0.0005 * math.sqrt(count) * noise).tolist()
        case Target.VOLATILITY:
            weights = 0.97 ** np.arange(600)
            ours = math.sqrt(float(np.average(returns[now - 599 : now + 1][::-1] ** 2, weights=weights)) * count)
            ended = returns[now - count + 1 : now + 1].std(ddof=1) * math.sqrt(count)
            return ours, (ended * np.exp(noise)).tolist()


@pytest.mark.parametrize(("target", "horizon"), TASKS)
@pytest.mark.parametrize("crash_at", [None, 3000], ids=["usual", "crash"])
def test_in_a_thousand_windows_of_a_market_as_it_is_nothing_is_said(
    closes: np.ndarray, target: Target, horizon: str, crash_at: int | None
) -> None:
    guard = UnitGuard(task(target, horizon))
    looks = [guard.look(ours, others) for ours, others in answers(closes, task(target, horizon), 5, crash_at)]
    assert len(looks) == WINDOWS - 1
    assert [found for found in looks if found.is_said or found.withheld] == []


@pytest.mark.parametrize(("target", "horizon"), TASKS)
@pytest.mark.parametrize("factor", [1e4, 1e-4], ids=["theirs", "ours"])
def test_ten_thousand_times_off_is_withheld_within_three_windows_and_for_as_long_as_it_lasts(
    closes: np.ndarray, target: Target, horizon: str, factor: float
) -> None:
    guard = UnitGuard(task(target, horizon))
    ours_off = factor < 1
    if target is RETURN:
        pairs = [(0.05, [0.01, -0.02, 0.03]) for _ in range(20)]
    else:
        pairs = list(answers(closes, task(target, horizon), 6))[:200]
    looks = [
        guard.look(ours / factor if ours_off else ours, [other if ours_off else other * factor for other in others])
        for ours, others in pairs
    ]
    assert [found.withheld for found in looks[:WINDOWS_BEYOND]] == [False, False, True]
    assert all(found.withheld and found.suspicion for found in looks[WINDOWS_BEYOND:])


def test_it_ends_when_both_agree_again() -> None:
    guard = UnitGuard(task(PRICE, "5m"))
    assert [guard.look(1e7, [2500, 2501, 2502]).withheld for _ in range(3)] == [False, False, True]
    found = guard.look(2500, [2500, 2501, 2502])
    assert (found.withheld, found.is_said, found.windows) == (False, False, 0)


@pytest.mark.parametrize(
    ("target", "horizon", "ours", "others", "word"),
    [
        (VOLATILITY, "15m", 0.001, 0.00387, "1/√15"), (VOLATILITY, "4h", 0.155, 0.01, "√240 times"),
        (VOLATILITY, "15m", 0.31, 0.0031, "percent"), (VOLATILITY, "15m", 0.0031, 0.3, "percent"),
        (PRICE, "10m", 253_000.0, 2530.0, "hundredths"), (PRICE, "10m", 2.53, 2530.0, "decimal point"),
        (PRICE, "10m", 0.0012, 2530.0, "our answer looks like a log return"),
        (PRICE, "10m", -0.0012, 2530.0, "our answer looks like a log return"),
        (PRICE, "10m", 2530.0, 0.001, "others' answers look like log returns"), (PRICE, "8h", 73000.0, 2500.0, "same token"),
        (RETURN, "8h", 2500.0, 0.001, "our answer looks like a price"),
        (RETURN, "8h", 0.001, 2500.0, "others' answers look like prices"),
        (RETURN, "15m", 0.3, 0.003, "percent"),
    ],
)  # fmt: skip
def test_every_suspicion_has_its_name(target: Target, horizon: str, ours: float, others: float, word: str) -> None:
    assert word in compare(task(target, horizon), ours, [others * 0.99, others, others * 1.01]).suspicion


@pytest.mark.parametrize(
    ("target", "ours", "others"),
    [
        (PRICE, 1750.0, [2500.0] * 5), (VOLATILITY, 0.01, [0.003] * 5), (RETURN, -0.02, [0.02] * 5), (RETURN, 0.0, [0.02] * 5),
        (RETURN, -0.3, [0.02] * 5), (RETURN, 0.004, [1e-9] * 5), (RETURN, 1e-12, [0.003] * 5), (RETURN, 0.0, [0.0] * 5),
    ],
)  # fmt: skip
def test_what_honest_workers_differ_by_is_not_beyond(target: Target, ours: float, others: list[float]) -> None:
    found = compare(task(target, "24h"), ours, others)
    assert (found.beyond, found.suspicion, found.unknown) == (False, "", "")


@pytest.mark.parametrize("others", [[], [1.0], [1.0, 1.0], [math.nan, math.inf, 1.0, 1.0]])
def test_of_fewer_than_three_others_nothing_is_concluded(others: list[float]) -> None:
    guard = UnitGuard(task(PRICE, "5m"))
    looks = [guard.look(1e9, others) for _ in range(10)]
    assert all(found.unknown and not found.withheld and not found.is_said for found in looks)


def test_what_cannot_be_relied_on_neither_counts_nor_clears() -> None:
    guard = UnitGuard(task(PRICE, "5m"))
    others = [2500.0] * 3
    for _ in range(2):
        guard.look(1e7, others)
    assert not guard.look(1e7, others, "too old").withheld
    assert guard.look(1e7, others).withheld


def test_a_volatility_of_one_minute_is_said_though_it_is_within_the_factor(closes: np.ndarray) -> None:
    """√15 is 3.87: what this node once answered."""
    of, guard = task(VOLATILITY, "15m"), UnitGuard(task(VOLATILITY, "15m"))
    looks = [guard.look(ours / math.sqrt(15), others) for ours, others in answers(closes, of, 7)][:60]
    said = [found for found in looks if found.is_said]
    assert said
    assert "1/√15" in said[0].suspicion


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.sampled_from(TASKS), NUMBERS, st.lists(st.floats(), max_size=6))
def test_any_numbers_can_be_compared(of: tuple[Target, str], ours: float, others: list[float]) -> None:
    guard = UnitGuard(task(*of))
    for _ in range(WINDOWS_BEYOND + 1):
        found = guard.look(ours, others)
        assert isinstance(str(found), str)
    assert found.withheld == found.beyond
    assert not (found.unknown and found.beyond)


@given(st.sampled_from([PRICE, VOLATILITY]), st.floats(1e-6, 1e6), st.floats(0.3, 3))
def test_within_the_factor_nothing_is_beyond_whatever_the_scale(target: Target, scale: float, logarithm: float) -> None:
    factor = MAX_FACTOR[target]
    ratio = math.exp(random.Random(logarithm).uniform(-math.log(factor), math.log(factor)) * 0.999)
    assert not compare(task(target, "15m"), scale * ratio, [scale] * 4).beyond
    assert compare(task(target, "15m"), scale * factor * 1.01, [scale] * 4).beyond
    assert compare(task(target, "15m"), scale / factor / 1.01, [scale] * 4).beyond


@given(st.floats(1e-12, 1e12))
def test_a_suspected_factor_is_never_one_by_which_good_forecasts_differ(ratio: float) -> None:
    for target, horizon in TASKS:
        if 0.4 <= ratio <= 2.5:
            assert suspicion_of(task(target, horizon), ratio) == ""


def test_what_is_shown_names_answer_median_and_ratio() -> None:
    found: Comparison = compare(task(PRICE, "5m"), 2500.0, [2500.0, 2510.0, 2490.0])
    assert str(found) == "2500, the median of 3 other workers 2500, ratio 1"
