"""The builder kit's newest grader: its seven criteria, each beside an independent computation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forecasting.arrays import Floats
from forecasting.evaluation.direction import Check
from forecasting.evaluation.kit_grader import effective_samples, promotion_of
from node.durations import Duration
from tests.forecasting.evaluation.test_direction import ACTUAL, FORECAST, returns_and_forecast

HOUR = Duration.parse("1h")
NAMES = ("effective", "accuracy", "r", "rmse", "czar", "aspect", "participation")


def criteria(actual: Floats, forecast: Floats, **known: object) -> dict[str, Check]:
    return dict(zip(NAMES, promotion_of(actual, forecast, **known).checks, strict=True))  # type: ignore[arg-type]


def figures(found: dict[str, Check]) -> list[float | None]:
    return [check.figure for check in found.values()]


def test_every_figure_is_that_of_an_independent_computation() -> None:
    """Bounds by scipy 1.16 and the roots of the score equation; standard errors by influence functions made numerically, from
    moving a little weight to each row, with CZAR written out anew."""
    z, two_sided = 1.6448536269514722, 1.959963984540054
    low_r = math.tanh(math.atanh(0.6351712447782866) - two_sided / math.sqrt(79 - 3))
    gains = ((0.32819205644725, 0.4853261422), (0.4260205190775, 0.5781728909))
    for horizon, accuracy, samples in ((None, 0.4212819116204137, 79.0), (HOUR, 0.44544520020003725, 79 * math.sqrt(3))):
        lows = [gain - z * error / math.sqrt(samples) for gain, error in gains]
        found = criteria(ACTUAL, FORECAST, horizon=horizon)
        assert figures(found) == pytest.approx([79.0, accuracy, low_r, *lows, -0.1410304106564827, 1.0], rel=1e-8)
        assert [name for name, check in found.items() if not check.passed] == ["accuracy"]


def test_a_weak_forecast_fails_by_its_size_alone() -> None:
    """It varies an eighth as much as the truth; the grader asks for a third."""
    actual, forecast = returns_and_forecast()
    assert [name for name, check in criteria(actual, forecast).items() if not check.passed] == ["aspect"]
    assert promotion_of(actual, 5 * actual * np.sign(forecast)).checks[5].passed is False
    assert promotion_of(actual, actual / 2).grade == "A+"


def test_answers_of_zero_and_too_few_rows_pass_nothing_that_they_did_not_earn() -> None:
    actual, _ = returns_and_forecast()
    zero = criteria(actual, 0 * actual)
    assert [name for name, check in zero.items() if check.passed] == ["effective", "participation"]
    assert zero["r"].figure is None
    assert zero["accuracy"].figure == 0
    few = criteria(actual[:2], actual[:2])
    assert [name for name, check in few.items() if check.passed] == ["participation"]
    assert not criteria(actual[:19], actual[:19])["effective"].passed
    assert promotion_of(0 * actual, actual).passed == 1, "no truth moved: participation alone"


def test_a_flawless_forecast_is_eligible() -> None:
    actual, _ = returns_and_forecast()
    assert promotion_of(actual, actual).passed == 7


def test_participation_must_exceed_nine_tenths() -> None:
    actual, _ = returns_and_forecast()
    assert [promotion_of(actual, actual, participation=part).checks[-1].passed for part in (0.9, 0.91)] == [False, True]


def test_rows_that_overlap_are_worth_fewer_samples() -> None:
    noise = np.random.default_rng(3)
    steps, n = 5, 4_000
    overlapping = np.convolve(noise.normal(size=n + steps - 1), np.ones(steps), "valid")
    assert effective_samples(overlapping, steps) == n / steps
    # A sum of five correlates by 4/5, 3/5, 2/5 and 1/5 with the next four: 1 + 2 · 2 = 5.
    whole = np.arange(n)
    assert effective_samples(overlapping, steps, whole) == pytest.approx(n / steps, rel=0.1)
    assert effective_samples(noise.normal(size=n), steps, whole) > 0.9 * n
    # Of rows two epochs apart only the second and the fourth lag have pairs.
    assert effective_samples(overlapping[::2], steps, whole[::2]) == pytest.approx(n / 2 / (1 + 2 * (3 / 5 + 1 / 5)), rel=0.1)
    # Far apart, nothing overlaps.
    assert effective_samples(overlapping[::steps], steps, whole[::steps]) == n / steps


def test_truths_of_zero_are_no_samples_but_keep_their_place() -> None:
    actual = np.array([1.0, 0.0, -1.0, 2.0, 0.0, 1.0])
    assert effective_samples(actual, 1) == 4
    assert effective_samples(actual, 2, np.arange(6)) == 4
    assert effective_samples(np.zeros(6), 1) == 1
