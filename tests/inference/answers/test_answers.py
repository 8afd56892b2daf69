"""What /inference answers, when, and what it says when it does not."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from node.durations import HOUR_MS, Interval
from tests.inference.conftest import BTC_10M, BTC_24H, ETH_8H, SOL_15M, Node, candles_until


def error_of(body: str) -> dict[str, Any]:
    content = json.loads(body)
    assert content.keys() == {"error"}
    assert content["error"].keys() == {"code", "message", "hint"}
    error: dict[str, Any] = content["error"]
    return error


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


def refused(node: Node, path: str) -> dict[str, Any]:
    response = node.client.get(path)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    error = error_of(response.get_data(as_text=True))
    assert error["code"] == "not_ready"
    return error


class TestWaiting:
    """Before there is a model, the answer says what is being waited for."""

    def test_without_updater(self, node: Node) -> None:
        node.watcher.poll()
        assert "never been heard of" in refused(node, "/inference/BTC")["message"]

    def test_before_the_first_look(self, node: Node) -> None:
        assert "just begun" in refused(node, "/inference/BTC")["message"]

    def test_while_history_fills(self, node: Node) -> None:
        progress = {"have": 4321, "want": 129600, "trained": False, "state": "filling", "detail": ""}
        node.heartbeats.beat("updater", node.clock.now_ms(), {"state": "running", "topics": {"3": progress}})
        node.watcher.poll()
        message = refused(node, "/inference/BTC")["message"]
        assert message == "topic 3 (BTC price 10m): there is no model yet: filling, 4321 of 129600 candles"
        assert "not begun" in refused(node, "/inference/ETH")["message"]

    def test_when_the_exchange_has_no_data(self, node: Node) -> None:
        progress = {"have": 0, "want": 0, "trained": False, "state": "no data", "detail": "the exchange has no pair BTCUSDT"}
        node.heartbeats.beat("updater", node.clock.now_ms(), {"state": "running", "topics": {"3": progress}})
        node.watcher.poll()
        assert "no data, the exchange has no pair BTCUSDT" in refused(node, "/inference/BTC")["message"]

    def test_when_the_updater_has_fallen_silent(self, node: Node) -> None:
        node.heartbeats.beat("updater", node.clock.now_ms() - 61_000, {"state": "running", "topics": {}})
        node.watcher.poll()
        assert "last heard of at 2025-06-15 15:59:19 UTC" in refused(node, "/inference/BTC")["message"]

    @pytest.mark.parametrize("body", [{}, {"topics": []}, {"topics": {"3": "soon"}}, {"topics": {"3": {}}}])
    def test_whatever_the_heartbeat_holds(self, node: Node, body: dict[str, Any]) -> None:
        node.heartbeats.beat("updater", node.clock.now_ms(), body)
        node.watcher.poll()
        assert "no model yet" in refused(node, "/inference/BTC")["message"]

    def test_with_a_model_but_without_candles(self, node: Node) -> None:
        node.promote(BTC_10M, 0.0)
        node.watcher.poll()
        assert "there are no 1m candles of BTCUSDT yet" in refused(node, "/inference/BTC")["message"]


class TestStaleness:
    """A number is served only while its candles are fresh, by the clock of the request."""

    def test_an_answer_stops_by_itself_when_no_watcher_looks_any_more(self, node: Node) -> None:
        node.fill(BTC_10M)
        # The newest minute opened at 15:59 and the next closes at 16:01; two minutes later is too late.
        node.clock.advance(180 - 20)
        assert node.get("/inference/BTC")[0] == 200
        node.clock.advance(0.001)
        assert refused(node, "/inference/BTC")["message"] == (
            "topic 3 (BTC price 10m): the next 1m candle of BTCUSDT is 120 s overdue, and answers stop after 120 s"
        )

    def test_candles_ahead_of_a_clock_that_was_set_back_are_neither_used_nor_taken_for_fresh(self, node: Node) -> None:
        node.fill(BTC_10M)
        ahead = candles_until(node.clock.now_ms() + HOUR_MS, Interval.MINUTE, count=30, last_close=70_000.0)
        node.candles.upsert("BTCUSDT", Interval.MINUTE, ahead)
        node.watcher.poll()
        assert node.get("/inference/BTC") == (200, "64000.5")
        node.clock.advance(181)
        node.watcher.poll()
        assert "overdue" in refused(node, "/inference/BTC")["message"]

    def test_a_price_over_long_bars_also_needs_fresh_minutes(self, node: Node) -> None:
        node.fill(BTC_24H)
        node.clock.advance(180)
        assert "1m candle" in refused(node, "/inference/BTC?topic=69")["message"]

    def test_a_return_over_long_bars_also_needs_fresh_minutes_and_lives_as_long_as_its_bars(self, node: Node) -> None:
        """Part of its interval is known by minutes."""
        node.fill(ETH_8H)
        node.clock.advance(180)
        assert "1m candle of ETHUSDT" in refused(node, "/inference/ETH")["message"]
        node.clock.advance(15 * 60 + 120 - 20 - 180)
        node.candles.upsert("ETHUSDT", Interval.MINUTE, candles_until(node.clock.now_ms(), Interval.MINUTE))
        node.watcher.poll()
        assert node.get("/inference/ETH")[0] == 200
        node.clock.advance(1)
        assert "15m candle of ETHUSDT" in refused(node, "/inference/ETH")["message"]

    def test_it_is_well_again_with_the_next_candle(self, node: Node) -> None:
        node.fill(BTC_10M)
        node.clock.advance(600)
        assert node.get("/inference/BTC")[0] == 503
        node.store_candles(BTC_10M, last_close=65_000.0)
        node.watcher.poll()
        assert node.get("/inference/BTC") == (200, "65000.0")

    def test_the_budget_is_the_operators(self, node: Node) -> None:
        node.write_config([3], inference={"staleAfter": "10m"})
        node.fill(BTC_10M)
        node.clock.advance(600)
        assert node.get("/inference/BTC")[0] == 200
        node.write_config([3], inference={"staleAfter": "1m"})
        node.watcher.poll()
        assert node.get("/inference/BTC")[0] == 503

    def test_a_gap_before_the_newest_candle_is_no_basis_for_an_answer(self, node: Node) -> None:
        node.fill(BTC_10M)
        node.clock.advance(120)
        minute = candles_until(node.clock.now_ms(), Interval.MINUTE, 1)
        node.candles.upsert("BTCUSDT", Interval.MINUTE, minute)
        node.watcher.poll()
        assert "a gap lies in them" in refused(node, "/inference/BTC")["message"]


class TestBadModels:
    """A model that answers nonsense costs its own topic its answer, and no other."""

    def test_a_price_that_is_not_finite_is_not_served(self, node: Node) -> None:
        node.fill(ETH_8H)
        node.fill(BTC_10M, answer=1e30)
        assert "not a forecast" in refused(node, "/inference/BTC")["message"]
        assert node.get("/inference/ETH")[0] == 200

    def test_a_price_that_has_become_nothing_is_not_served(self, node: Node) -> None:
        node.fill(BTC_10M, answer=-1e30)
        assert "no price can be" in refused(node, "/inference/BTC")["message"]

    def test_a_number_the_network_cannot_take_is_not_served(self, node: Node) -> None:
        node.fill(BTC_10M, answer=-60_000)
        assert "outside what the network can take" in refused(node, "/inference/BTC")["message"]
