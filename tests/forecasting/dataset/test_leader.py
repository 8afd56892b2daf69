"""Another token's candles beside a token's own: read only if they are there, and known only when they have closed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.backtesting.backtest import attempt
from forecasting.backtesting.tasks import BacktestTask, Plan
from forecasting.dataset.bars import beside
from forecasting.dataset.feature_selection import DEFAULT_FEATURES, LEADER_FEATURES, choose_features
from forecasting.dataset.signature import Signature
from forecasting.dataset.windows import build_dataset
from forecasting.evaluation.walk_forward import walk_forward
from forecasting.prediction.forecast import forecast, model_input
from forecasting.prediction.onnx_session import open_session
from forecasting.training.train import Candidate, train
from node.durations import MINUTE_MS, Duration, Interval
from node.errors import ForecastError, NotEnoughDataError, TrainingError
from node.topics import Target, Task
from tests.support.forecasting_candles import START_MS, make_candles
from tests.support.recorded import write_candles

ROWS = 3_000
TASK = Task("ETH", Target.PRICE, Duration.parse("1m"))
LEADER = make_candles(ROWS, seed=5)


def following() -> pd.DataFrame:
    """A token that does what the leader did a minute before, and something of its own."""
    moves = np.log(LEADER["close"]).diff().shift(1).fillna(0.0)
    own = make_candles(ROWS, seed=6)
    close = own["close"] * np.exp(moves.cumsum())
    return own.assign(open=close, close=close, high=close * 1.0001, low=close * 0.9999)


OWN = following()
BOTH = beside(OWN, LEADER)


@pytest.fixture(scope="module")
def model() -> Candidate:
    return train(TASK, "linear", "mse", BOTH, leader="BTC")


def test_a_token_that_follows_another_is_forecast_by_it_and_not_by_itself(model: Candidate) -> None:
    assert model.signature.leader == "BTC"
    assert set(LEADER_FEATURES) < set(model.signature.features)
    assert model.scores.ratio < 0.95
    assert train(TASK, "linear", "mse", OWN).scores.ratio > 0.99


def test_served_and_judged_alike(model: Candidate) -> None:
    session = open_session(model.graph)
    walk = walk_forward(session, model.signature, BOTH, model.test_start_ms, model.test_end_ms)
    for number in (0, 99, len(walk.times) - 1):
        seen = OWN[OWN["open_time"] <= walk.times[number]]
        answer = forecast(session, model.signature, beside(seen, LEADER))
        assert answer.log_return_or_log_vol == pytest.approx(walk.forecast[number], abs=1e-6)


def test_without_the_other_tokens_candles_there_is_no_answer(model: Candidate) -> None:
    with pytest.raises(NotEnoughDataError, match="leader_close"):
        model_input(model.signature, OWN)
    with pytest.raises(NotEnoughDataError, match="a gap lies"):
        model_input(model.signature, beside(OWN, LEADER.drop(index=ROWS - 20)))


def test_where_takers_are_unknown_there_is_no_answer_and_no_row() -> None:
    known = OWN.assign(taker_base=OWN["volume"] / 3)
    signature = Signature("ETH", Target.PRICE, TASK.horizon, Interval.MINUTE, 4, ("taker_imbalance_5",))
    model_input(signature, known)
    known.loc[ROWS - 20, "taker_base"] = np.nan
    with pytest.raises(NotEnoughDataError, match="a gap lies"):
        model_input(signature, known)
    dataset = build_dataset(signature, known)
    assert np.isfinite(dataset.features[dataset.usable]).all()
    assert known["open_time"][ROWS - 20] not in dataset.times[dataset.usable]


def test_a_later_candle_of_either_token_changes_not_a_bit_of_the_model() -> None:
    until = 2_400
    weights = [
        train(TASK, "linear", "mse", beside(own.iloc[:until], leader), leader="BTC").weights
        for own, leader in ((OWN, LEADER), (OWN, pd.concat([LEADER[:until], make_candles(ROWS, seed=9)[until:]])))
    ]
    assert weights[0] == weights[1]


def test_a_signature_says_whose_candles_it_reads(model: Candidate) -> None:
    assert Signature.from_dict(model.signature.to_dict()) == model.signature
    plain = replace(model.signature, features=("scaled_return_1",), leader=None).to_dict()
    del plain["leader"]
    assert Signature.from_dict(plain).leader is None
    with pytest.raises(ForecastError, match="whose"):
        Signature.from_dict(model.signature.to_dict() | {"leader": None})


def test_features_are_chosen_by_name() -> None:
    usual = DEFAULT_FEATURES[Target.PRICE]
    assert choose_features(Target.PRICE, (), None) == usual
    assert choose_features(Target.PRICE, (), "BTC") == (*usual, *LEADER_FEATURES)
    assert choose_features(Target.PRICE, ("day_sine", "taker_imbalance_1"), "BTC") == ("day_sine", "taker_imbalance_1")
    assert set(choose_features(Target.PRICE, ("default", "signed_volume_60"), None)) == {*usual, "signed_volume_60"}
    with pytest.raises(TrainingError, match="did you mean 'day_sine'"):
        choose_features(Target.PRICE, ("daysine",), None)
    with pytest.raises(TrainingError, match="another token"):
        choose_features(Target.PRICE, ("leader_return_1",), None)


def test_a_chosen_feature_that_needs_no_leader_reads_none() -> None:
    assert train(TASK, "linear", "mse", BOTH, features=("day_sine", "scaled_return_1"), leader="BTC").signature.leader is None


def test_a_backtest_reads_the_leader_beside_the_others_and_not_beside_itself(tmp_path: Path) -> None:
    write_candles(tmp_path, "ETHUSDT", "1m", OWN)
    write_candles(tmp_path, "BTCUSDT", "1m", LEADER)
    plan = Plan(folders=(tmp_path,), train_until_ms=START_MS + 2_400 * MINUTE_MS, max_epochs=1, leader="BTC")
    follower = BacktestTask("ETH", Target.PRICE, TASK.horizon, Interval.MINUTE, "linear", "mse")
    found = attempt(plan, follower)
    assert found.problem == ""
    assert found.scores is not None
    assert found.scores.ratio < 0.95
    alone = attempt(replace(plan, leader=None), follower)
    assert alone.scores is not None
    assert alone.scores.ratio > 0.99
    assert attempt(plan, replace(follower, token="BTC")).problem == ""
    assert attempt(replace(plan, leader="SOL"), follower).problem.endswith("of ETH beside those of SOL")
