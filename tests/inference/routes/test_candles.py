"""GET /candles: the newest candles of a topic, and the answers made for their time."""

from __future__ import annotations

import math

import pytest

from forecasting.live.ledger import ServedAnswer
from node.timestamps import utc_text
from tests.inference.conftest import BTC_10M, LAST_CLOSE, SOL_15M, START_MS, Node, json_of


def test_candles_are_the_newest_that_the_topic_s_model_reads(node: Node) -> None:
    node.fill(BTC_10M)
    shown = json_of(node, "/candles/BTC?topic=3")
    assert shown["candles"].keys() == {"open_time", "open", "high", "low", "close"}
    assert {len(column) for column in shown["candles"].values()} == {50}
    assert shown["candles"]["open_time"][-1] == START_MS - 60_000
    assert shown["candles"]["close"][-1] == pytest.approx(LAST_CLOSE)
    assert (shown["symbol"], shown["interval"], shown["interval_ms"], shown["horizon_ms"]) == ("BTCUSDT", "1m", 60_000, 600_000)
    assert shown["volatility"] is None
    assert len(json_of(node, "/candles/BTC?bars=7")["candles"]["close"]) == 7


def test_candles_of_a_topic_without_any_are_none(node: Node) -> None:
    node.watcher.poll()
    assert json_of(node, "/candles/BTC")["candles"] == {"open_time": [], "open": [], "high": [], "low": [], "close": []}


def test_candles_come_with_the_answers_made_for_their_time_and_what_came_of_them(node: Node) -> None:
    node.fill(BTC_10M)
    candles = node.candles.last("BTCUSDT", BTC_10M.interval, 60)
    times, close = candles["open_time"].tolist(), candles["close"].tolist()
    edges = (-0.01, 0.01, -0.02, 0.02, -0.03, 0.03)
    answers = [ServedAnswer(3, BTC_10M, times[i], "v", 64_000.0, close[i], 0.0, 0.0, 0.01, edges) for i in (30, 49, 55)]
    node.ledger.record(answers)
    past = json_of(node, "/candles/BTC?bars=15")["past"]
    assert [answer["time"] for answer in past] == [utc_text(times[59] + 60_000)]
    assert past[0]["made"] == utc_text(times[49] + 60_000)
    assert past[0]["truth"] == close[59]
    assert past[0]["value"] == 64_000.0
    low, high = past[0]["intervals"]["90"]
    assert low == pytest.approx(close[49] * math.exp(-0.03))
    assert high == pytest.approx(close[49] * math.exp(0.03))
    assert len(json_of(node, "/candles/BTC?bars=50")["past"]) == 2


def test_a_topic_of_volatility_shows_what_was_measured(node: Node) -> None:
    node.fill(SOL_15M)
    shown = json_of(node, "/candles/SOL?bars=20")
    assert len(shown["volatility"]) == len(shown["candles"]["close"]) == 20
    assert all(value > 0 for value in shown["volatility"])


def test_volatility_is_not_measured_across_a_gap(node: Node) -> None:
    node.fill(SOL_15M)
    node.clock.advance(300)
    with node.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM candles WHERE open_time = ?", (START_MS - 5 * 60_000,))
    measured = json_of(node, "/candles/SOL?bars=20")["volatility"]
    assert measured[-4:] == [None] * 4
    assert measured[-8] is not None


@pytest.mark.parametrize("bars", ["0", "1001", "-1", "1.5", "x", "", "９", "99999999999999999999"])
def test_a_number_of_candles_out_of_bounds_is_refused(node: Node, bars: str) -> None:
    error = json_of(node, f"/candles/BTC?bars={bars}", 400)["error"]
    assert error["code"] == "bad_parameter"
    assert "from 1 to 1000" in error["message"]


def test_candles_of_an_unknown_token_or_topic_are_refused(node: Node) -> None:
    assert json_of(node, "/candles/DOGE", 404)["error"]["code"] == "unknown_token"
    assert json_of(node, "/candles/BTC?topic=84", 404)["error"]["code"] == "unknown_topic"


def test_without_a_database_the_data_are_not_ready(node: Node) -> None:
    assert json_of(node, "/updater", 503)["error"]["code"] == "not_ready"
    node.watcher.poll()
    with node.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE candles")
    assert json_of(node, "/candles/BTC", 503)["error"]["code"] == "not_ready"
