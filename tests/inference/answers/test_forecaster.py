"""A model that answers nonsense costs its own topic its answer, and no other."""

from __future__ import annotations

from tests.inference.conftest import BTC_10M, ETH_8H, Node, refused


def test_a_model_without_candles_is_no_answer(node: Node) -> None:
    node.promote(BTC_10M, 0.0)
    node.watcher.poll()
    assert "there are no 1m candles of BTCUSDT yet" in refused(node, "/inference/BTC")["message"]


def test_a_price_that_is_not_finite_is_not_served(node: Node) -> None:
    node.fill(ETH_8H)
    node.fill(BTC_10M, answer=1e30)
    assert "not a forecast" in refused(node, "/inference/BTC")["message"]
    assert node.get("/inference/ETH")[0] == 200


def test_a_price_that_has_become_nothing_is_not_served(node: Node) -> None:
    node.fill(BTC_10M, answer=-1e30)
    assert "no price can be" in refused(node, "/inference/BTC")["message"]


def test_a_number_the_network_cannot_take_is_not_served(node: Node) -> None:
    node.fill(BTC_10M, answer=-60_000)
    assert "outside what the network can take" in refused(node, "/inference/BTC")["message"]
