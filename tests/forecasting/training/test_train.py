"""From candles to a candidate."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load

from forecasting.training.checkpoint import NETWORK, check_graph
from forecasting.training.train import Candidate, train
from forecasting.training.training_loop import Progress
from node.durations import DAY_MS, Duration, Interval
from node.errors import NotEnoughDataError, TrainingError
from node.topics import Target, Task
from tests.forecasting.conftest import SHORT
from tests.support.forecasting_candles import START_MS, make_candles

PRICE = Task("BTC", Target.PRICE, Duration.parse("10m"))
NOISE = make_candles(1_700, seed=5)
PRICES = ["open", "high", "low", "close"]


def quick(candles: pd.DataFrame = NOISE, task: Task = PRICE, epochs: int = 2, **more: object) -> Candidate:
    return train(task, "birnn", "mse", candles, max_epochs=epochs, settings=SHORT, **more)


def network_of(candidate: Candidate) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in load(candidate.weights).items() if name.startswith(NETWORK)}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_a_model_learns_what_there_is_to_learn(volatility_model: Candidate, price_model: Candidate) -> None:
    assert volatility_model.scores.skill > 0.05
    assert 0 < volatility_model.shrinkage <= 1
    assert price_model.scores.skill > 0.01
    assert price_model.scores.loss_name == "czar"
    assert price_model.scores.ratio < 0.99


def test_the_same_seed_data_and_settings_give_the_same_bytes(
    volatility_model: Candidate, volatility_task: Task, candles: pd.DataFrame
) -> None:
    torch.manual_seed(99)
    again = train(volatility_task, "birnn", "mse", candles, seed=3, max_epochs=8, settings=SHORT)
    assert again.weights == volatility_model.weights
    assert again.graph == volatility_model.graph
    assert again.samples == volatility_model.samples
    other = train(volatility_task, "birnn", "mse", candles, seed=4, max_epochs=1, settings=SHORT)
    assert other.weights != volatility_model.weights


def test_training_leaves_torch_as_it_was() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    quick(epochs=1)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.equal(torch.rand(1), expected)


def test_a_market_without_memory_leaves_exactly_the_baseline() -> None:
    candidate = quick(epochs=4)
    assert candidate.shrinkage == 0
    assert (candidate.scores.ratio, candidate.scores.skill) == (1.0, 0.0)
    assert all(sample["forecast"] == 0 for sample in candidate.samples)


def test_nothing_but_the_scores_depends_on_the_test_part() -> None:
    candidate = quick()
    later = NOISE["open_time"] > candidate.test_start_ms
    changed = NOISE.copy()
    changed.loc[later, PRICES] *= np.linspace(1, 3, later.sum())[:, None]
    changed.loc[later, "volume"] *= 5
    other = quick(changed)
    assert other.weights == candidate.weights
    assert other.graph == candidate.graph
    assert other.scores != candidate.scores


def test_the_network_does_not_depend_on_the_part_that_calibrates_it() -> None:
    task = Task("BTC", Target.PRICE, Duration.parse("1m"))
    candles = make_candles(1_700, seed=1, predictable=0.4)
    candidate = quick(candles, task, epochs=3)
    calibrated = candles["open_time"] > candidate.test_start_ms - 100 * task.interval.ms
    changed = candles.copy()
    # What rises now falls next: the opposite of what the network has learned.
    changed.loc[calibrated, PRICES] *= np.exp(0.01 * np.random.default_rng(0).normal(size=calibrated.sum()))[:, None]
    other = quick(changed, task, epochs=3)
    assert same(network_of(other), network_of(candidate))
    assert candidate.shrinkage > 0
    assert other.shrinkage == 0


def test_one_crash_bar_does_not_decide_the_fit(candles: pd.DataFrame, volatility_task: Task) -> None:
    crash = candles.copy()
    crash.loc[900, "low"] = crash.loc[900, "low"] * 0.3
    candidate = quick(crash, volatility_task, epochs=8, seed=1)
    assert candidate.scores.skill > 0.05
    state = load(candidate.weights)
    assert all(torch.isfinite(tensor).all() for tensor in state.values() if tensor.is_floating_point())


def test_a_training_can_start_from_the_champion(volatility_model: Candidate, volatility_task: Task, candles: pd.DataFrame) -> None:
    warm = quick(candles, volatility_task, epochs=0, champion=volatility_model.weights)
    assert warm.warm_started
    assert same(network_of(warm), network_of(volatility_model))
    assert not same(network_of(quick(candles, volatility_task, epochs=0)), network_of(volatility_model))


def test_a_champion_that_has_seen_what_is_kept_apart_is_no_start(
    volatility_model: Candidate, volatility_task: Task, candles: pd.DataFrame
) -> None:
    earlier = candles.iloc[:-400].reset_index(drop=True)
    cold = quick(earlier, volatility_task, epochs=1, champion=volatility_model.weights)
    assert not cold.warm_started
    assert cold.weights == quick(earlier, volatility_task, epochs=1).weights


@pytest.mark.parametrize("damage", [b"", b"nonsense" * 40, b"\xff" * 8 + b"{}"])
def test_a_damaged_champion_is_no_start_and_no_obstacle(damage: bytes) -> None:
    candidate = quick(epochs=1, champion=damage)
    assert not candidate.warm_started
    assert candidate.weights == quick(epochs=1).weights


def test_a_champion_of_another_task_is_no_start(volatility_model: Candidate) -> None:
    assert not quick(epochs=1, champion=volatility_model.weights).warm_started


def test_too_few_candles_are_refused_with_the_number_needed() -> None:
    with pytest.raises(NotEnoughDataError, match=r"needs at least \d+ unbroken 1m candles .* there are 500"):
        quick(NOISE[:500])


def test_a_price_that_never_moves_teaches_nothing() -> None:
    still = NOISE.assign(open=1.0, high=1.0, low=1.0, close=1.0)
    with pytest.raises(NotEnoughDataError, match="never moves"):
        quick(still)


def test_a_fit_that_diverges_is_an_error() -> None:
    with pytest.raises(TrainingError):
        train(PRICE, "birnn", "mse", NOISE, max_epochs=3, settings=replace(SHORT, learning_rate=float("inf")))


def test_an_unknown_model_is_an_error() -> None:
    with pytest.raises(TrainingError, match="birnn"):
        train(PRICE, "oracle", "mse", NOISE)


def test_progress_is_told_epoch_by_epoch() -> None:
    told: list[Progress] = []
    quick(epochs=3, on_progress=told.append)
    assert [(each.epoch, each.epochs) for each in told] == [(1, 3), (2, 3), (3, 3)]
    assert all(each.validation_loss > 0 and each.train_loss > 0 for each in told)


def test_a_candidate_says_what_it_was_made_from(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    assert (volatility_model.data_start_ms, volatility_model.data_end_ms) == (START_MS, int(candles["open_time"].iloc[-1]))
    assert volatility_model.test_start_ms > START_MS + (volatility_model.data_end_ms - START_MS) * 0.8
    assert volatility_model.test_end_ms == volatility_model.data_end_ms - volatility_model.signature.horizon.ms
    assert len(volatility_model.data_sha256) == 64


def test_samples_are_plain_json_that_the_graph_reproduces(volatility_model: Candidate) -> None:
    samples = json.loads(json.dumps(volatility_model.samples))
    assert len(samples) == 5
    check_graph(volatility_model.graph, samples)
    samples[2]["forecast"] += 1e-3
    with pytest.raises(TrainingError):
        check_graph(volatility_model.graph, samples)


def test_longer_horizons_learn_from_longer_bars() -> None:
    task = Task("ETH", Target.LOG_RETURN, Duration.parse("24h"))
    candles = make_candles(180 * 24, Interval.HOUR, seed=2, start_ms=START_MS - 180 * DAY_MS)
    candidate = quick(candles, task, epochs=1)
    assert candidate.signature.interval is Interval.HOUR
    assert candidate.signature.steps == 24
    assert candidate.scores.n_effective > 15


def test_candles_with_gaps_are_learned_from_around_them() -> None:
    candles = make_candles(2_400, seed=5).drop(index=[700, 701, 1_500]).reset_index(drop=True)
    assert quick(candles, epochs=1).scores.n > 60
