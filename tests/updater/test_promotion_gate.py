"""Who may become champion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from forecasting.evaluation.scores import Comparison, Scores
from tests.support.scored_arrays import score
from updater.promotion_gate import ENOUGH, NOISE, evaluate_challenger

SCORES = score(np.array([1.0, -1.0, 2.0, 0.5]), np.array([0.5, -0.5, 1.0, 0.2]), np.zeros(4), 1, "mse")

skills = st.floats(-1, 1, allow_nan=False)
losses = st.floats(0, 10, allow_nan=False)
statistics = st.floats(-20, 20, allow_nan=False)
comparisons = st.builds(
    Comparison,
    n=st.integers(1, 10**6),
    n_effective=st.floats(0, 10**6),
    first_loss=losses,
    second_loss=losses,
    dm=statistics,
    dm_p=st.floats(0, 1),
)


def scores(skill: float) -> Scores:
    return replace(SCORES, skill=skill)


def test_without_a_champion_a_candidate_that_is_not_worse_than_the_baseline_is_promoted() -> None:
    assert evaluate_challenger(scores(0.1), None, False).promoted
    assert evaluate_challenger(scores(0.0), None, False).promoted


@given(skills, comparisons)
def test_a_candidate_worse_than_the_champion_as_scored_beyond_noise_is_refused_however_small_its_mean(
    skill: float, beside: Comparison
) -> None:
    worse = replace(beside, first_loss=0.0, second_loss=1.0, dm=5.0, dm_log10=-NOISE - 0.01, n_effective=ENOUGH)
    decision = evaluate_challenger(scores(skill), worse, True)
    assert not decision.promoted
    assert "as scored" in decision.reason
    assert evaluate_challenger(scores(skill), replace(worse, dm_log10=-NOISE + 0.01), True).promoted


def test_a_candidate_better_in_the_mean_and_worse_as_scored_has_not_earned_its_place() -> None:
    assert replace(SCORES, skill=0.1, log10_loss=-1.0, baseline_log10_loss=-1.0).earned
    assert not replace(SCORES, skill=0.1, log10_loss=-0.9, baseline_log10_loss=-1.0).earned
    assert not replace(SCORES, skill=0.0, log10_loss=-2.0, baseline_log10_loss=-1.0).earned
    assert replace(SCORES, skill=0.1, log10_loss=None, baseline_log10_loss=None).earned


@given(skills)
def test_a_champion_is_never_replaced_without_a_comparison(skill: float) -> None:
    assert not evaluate_challenger(scores(skill), None, True).promoted


@given(skills, comparisons)
def test_a_candidate_worse_than_the_champion_beyond_noise_is_refused(skill: float, beside: Comparison) -> None:
    worse = replace(beside, first_loss=beside.second_loss + 1, dm=-abs(beside.dm) - NOISE - 0.01)
    assert not evaluate_challenger(scores(skill), worse, True).promoted


@given(skills, comparisons)
def test_a_candidate_that_is_better_on_enough_data_is_promoted(skill: float, beside: Comparison) -> None:
    better = replace(beside, second_loss=beside.first_loss + 1, dm=abs(beside.dm), n_effective=beside.n_effective + ENOUGH)
    assert evaluate_challenger(scores(skill), better, True).promoted


def test_noise_does_not_count_against_skill_but_does_against_the_bare_baseline() -> None:
    a_little_worse = Comparison(n=500, n_effective=50, first_loss=1.01, second_loss=1.0, dm=-0.5, dm_p=0.6)
    assert evaluate_challenger(scores(0.01), a_little_worse, True).promoted
    assert not evaluate_challenger(scores(0.0), a_little_worse, True).promoted


@given(skills, st.none() | comparisons, st.booleans())
def test_every_verdict_says_why_in_words_that_fit_the_decision(skill: float, beside: Comparison | None, champion: bool) -> None:
    decision = evaluate_challenger(scores(skill), beside, champion)
    assert decision.reason.startswith("promoted: " if decision.promoted else "refused: ")
