"""A number is served only while its candles are fresh, by the clock of the request."""

from __future__ import annotations

from node.durations import HOUR_MS, Interval
from tests.inference.conftest import BTC_10M, BTC_24H, ETH_8H, Node, candles_until, refused


def test_an_answer_stops_by_itself_when_no_watcher_looks_any_more(node: Node) -> None:
    node.fill(BTC_10M)
    # The newest minute opened at 15:59 and the next closes at 16:01; two minutes later is too late.
    node.clock.advance(180 - 20)
    assert node.get("/inference/BTC")[0] == 200
    node.clock.advance(0.001)
    assert refused(node, "/inference/BTC")["message"] == (
        "topic 3 (BTC price 10m): the next 1m candle of BTCUSDT is 120 s overdue, and answers stop after 120 s"
    )


def test_candles_ahead_of_a_clock_that_was_set_back_are_neither_used_nor_taken_for_fresh(node: Node) -> None:
    node.fill(BTC_10M)
    ahead = candles_until(node.clock.now_ms() + HOUR_MS, Interval.MINUTE, count=30, last_close=70_000.0)
    node.candles.upsert("BTCUSDT", Interval.MINUTE, ahead)
    node.watcher.poll()
    assert node.get("/inference/BTC") == (200, "64000.5")
    node.clock.advance(181)
    node.watcher.poll()
    assert "overdue" in refused(node, "/inference/BTC")["message"]


def test_a_price_over_long_bars_also_needs_fresh_minutes(node: Node) -> None:
    node.fill(BTC_24H)
    node.clock.advance(180)
    assert "1m candle" in refused(node, "/inference/BTC?topic=69")["message"]


def test_a_return_over_long_bars_also_needs_fresh_minutes_and_lives_as_long_as_its_bars(node: Node) -> None:
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


def test_it_is_well_again_with_the_next_candle(node: Node) -> None:
    node.fill(BTC_10M)
    node.clock.advance(600)
    assert node.get("/inference/BTC")[0] == 503
    node.store_candles(BTC_10M, last_close=65_000.0)
    node.watcher.poll()
    assert node.get("/inference/BTC") == (200, "65000.0")


def test_the_budget_is_the_operators(node: Node) -> None:
    node.write_config([3], inference={"staleAfter": "10m"})
    node.fill(BTC_10M)
    node.clock.advance(600)
    assert node.get("/inference/BTC")[0] == 200
    node.write_config([3], inference={"staleAfter": "1m"})
    node.watcher.poll()
    assert node.get("/inference/BTC")[0] == 503


def test_a_gap_before_the_newest_candle_is_no_basis_for_an_answer(node: Node) -> None:
    node.fill(BTC_10M)
    node.clock.advance(120)
    minute = candles_until(node.clock.now_ms(), Interval.MINUTE, 1)
    node.candles.upsert("BTCUSDT", Interval.MINUTE, minute)
    node.watcher.poll()
    assert "a gap lies in them" in refused(node, "/inference/BTC")["message"]
