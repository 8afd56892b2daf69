"""GET /inference: which number is given, for which topic, and how a request is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from node.durations import Interval
from tests.inference.conftest import BTC_10M, BTC_24H, ETH_8H, SOL_15M, Node, candles_until, error_of


def test_the_answer_is_a_bare_decimal_without_newline(node: Node) -> None:
    node.fill(BTC_10M)
    response = node.client.get("/inference/BTC")
    assert response.status_code == 200
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.data == b"64000.5"
    assert response.content_length == 7


def test_a_model_without_skill_answers_the_last_price(node: Node) -> None:
    node.fill(BTC_24H)
    assert node.get("/inference/BTC?topic=69") == (200, "64000.5")


def test_a_price_is_the_last_minute_times_the_forecast_return(node: Node) -> None:
    node.store_candles(BTC_24H)
    minute = candles_until(node.clock.now_ms(), Interval.MINUTE, 1, last_close=70_000.0)
    node.candles.upsert("BTCUSDT", Interval.MINUTE, minute)
    node.promote(BTC_24H, 0.5)
    node.watcher.poll()
    hours = node.candles.last("BTCUSDT", Interval.HOUR, 6)["close"]
    deviation = math.sqrt((hours.apply(math.log).diff().dropna() ** 2).mean()) * math.sqrt(24)
    status, body = node.get("/inference/BTC?topic=69")
    assert status == 200
    assert float(body) == pytest.approx(70_000.0 * math.exp(0.5 * deviation), rel=1e-6)


def test_log_returns_and_volatilities_are_answered_in_the_networks_units(node: Node) -> None:
    node.fill(ETH_8H, SOL_15M, answer=0.25)
    status, log_return = node.get("/inference/ETH")
    assert status == 200
    assert 0 < float(log_return) < 0.1
    status, volatility = node.get("/inference/SOL")
    assert status == 200
    returns = np.diff(np.log(node.candles.last("SOLUSDT", Interval.MINUTE, 16)["close"]))
    assert 1 / 1.5 < float(volatility) / (returns.std(ddof=1) * math.sqrt(15)) < 1.5


@pytest.mark.parametrize("token", ["BTC", "btc", "Btc"])
def test_a_token_may_be_written_in_any_case(node: Node, token: str) -> None:
    node.fill(BTC_10M)
    assert node.get(f"/inference/{token}")[0] == 200


def test_without_topic_the_first_topic_of_the_token_answers(node: Node) -> None:
    node.fill(BTC_10M, answer=0.0)
    node.fill(BTC_24H, answer=0.5)
    assert node.get("/inference/BTC") == node.get("/inference/BTC?topic=3") != node.get("/inference/BTC?topic=69")


def test_an_unknown_token_is_told_which_tokens_there_are(node: Node) -> None:
    status, body = node.get("/inference/DOGE")
    assert status == 404
    error = error_of(body)
    assert error["code"] == "unknown_token"
    assert "'DOGE'" in error["message"]
    assert "BTC, ETH, SOL" in error["message"]


@pytest.mark.parametrize("number", ["84", "999", "0", "123456789012"])
def test_a_topic_that_is_not_the_tokens_is_told_which_are(node: Node, number: str) -> None:
    status, body = node.get(f"/inference/BTC?topic={number}")
    assert status == 404
    assert error_of(body)["code"] == "unknown_topic"
    assert error_of(body)["hint"] == "Topics of BTC here: 3, 69."


@pytest.mark.parametrize("number", ["", "three", "-3", "3.0", "3 ", "٣", "1" * 13, "0x3", "3;"])
def test_a_topic_that_is_not_a_number_is_a_bad_parameter(node: Node, number: str) -> None:
    response = node.client.get("/inference/BTC", query_string={"topic": number})
    assert response.status_code == 400
    assert error_of(response.get_data(as_text=True))["code"] == "bad_parameter"
