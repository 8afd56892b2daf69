"""A search tries the usual settings first, judges on what comes later, and never reads beyond its date."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forecasting.backtesting.hyperparameter_search import (
    SPACE,
    SweepPlan,
    Tried,
    attempt,
    best_of,
    fit_settings_with,
    network_with,
    search,
    usual_values,
)
from forecasting.backtesting.tasks import BacktestTask
from forecasting.models import NETWORKS
from forecasting.training.training_loop import FitSettings
from node.durations import MINUTE_MS, Duration, Interval
from node.errors import NotEnoughDataError
from node.topics import Target
from tests.support.forecasting_candles import START_MS, make_candles
from tests.support.recorded import write_candles

TASK = BacktestTask("BTC", Target.VOLATILITY, Duration.parse("5m"), Interval.MINUTE, "mlp", "mse")
UNTIL_MS = START_MS + 3_000 * MINUTE_MS


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("record")
    write_candles(folder, "BTCUSDT", "1m", make_candles(3_500))
    return folder


@pytest.fixture(scope="module")
def plan(record: Path) -> SweepPlan:
    return SweepPlan(folders=(record,), task=TASK, until_ms=UNTIL_MS, trials=3, max_epochs=1)


def test_the_usual_settings_are_the_first_trial_and_the_same_seed_searches_the_same_way(plan: SweepPlan) -> None:
    first, again = ([replace(each, seconds=0.0) for each in search(plan, jobs=1)] for _ in range(2))
    assert first == again
    assert [each.number for each in first] == [0, 1, 2]
    assert first[0].values == usual_values("mlp")
    assert len({json.dumps(each.values) for each in first}) == 3
    assert all(each.judged is not None for each in first)


def test_what_comes_after_the_date_changes_nothing(tmp_path: Path, plan: SweepPlan) -> None:
    other = make_candles(3_500)
    other.loc[3_000:, ["open", "high", "low", "close"]] *= np.linspace(1.1, 1.5, 500)[:, np.newaxis]
    write_candles(tmp_path, "BTCUSDT", "1m", other)
    values = usual_values("mlp")
    scores = [attempt(each, 0, values).scores for each in (plan, replace(plan, folders=(tmp_path,)))]
    assert scores[0] is not None
    assert scores[0] == scores[1]


def test_a_trial_is_judged_on_the_newest_fifth_before_the_date(plan: SweepPlan) -> None:
    scores = attempt(plan, 0, usual_values("mlp")).scores
    assert scores is not None
    assert scores.n == 600 - TASK.horizon.ms // MINUTE_MS


def test_a_trial_that_cannot_be_judged_says_why_and_is_never_the_best(plan: SweepPlan) -> None:
    failed = attempt(replace(plan, task=replace(TASK, token="DOGE")), 0, usual_values("mlp"))
    assert failed.judged is None
    assert "DOGE" in failed.problem
    good = attempt(plan, 1, usual_values("mlp"))
    assert best_of([failed, good]) is good
    assert best_of([good, replace(good, number=2)]).number == 1
    with pytest.raises(NotEnoughDataError, match="DOGE"):
        best_of([failed])


def test_only_what_a_model_has_is_searched_and_finds_its_way_into_its_settings() -> None:
    assert set(usual_values("har")) == {"history_days"}
    assert "channels" not in usual_values("birnn")
    for model, network in NETWORKS.items():
        values = usual_values(model)
        assert set(values) <= set(SPACE)
        assert network_with(model, values) == network
        assert fit_settings_with(values) == FitSettings()
    changed = network_with("mlp", usual_values("mlp") | {"hidden": 9})
    assert changed is not None
    assert changed.hidden == 9
    assert network_with("har", {}) is None


def test_every_usual_setting_lies_within_the_space() -> None:
    for model in NETWORKS:
        for name, value in usual_values(model).items():
            assert SPACE[name]._contains(SPACE[name].to_internal_repr(value)), (model, name)


def test_a_row_says_better_with_a_ratio_below_one_and_a_plus(plan: SweepPlan) -> None:
    tried: Tried = attempt(plan, 0, usual_values("mlp"))
    row = tried.to_row()
    assert tried.scores is not None
    assert (row["trial"], row["n"], row["problem"]) == (0, tried.scores.n, "")
    assert (row["loss_ratio"] < 1) == (row["dm"] > 0)
