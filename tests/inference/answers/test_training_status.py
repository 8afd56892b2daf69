"""Before there is a model, the answer says what is being waited for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.inference.conftest import Node, refused


def test_without_updater_it_has_never_been_heard_of(node: Node) -> None:
    node.watcher.poll()
    assert "never been heard of" in refused(node, "/inference/BTC")["message"]


def test_before_the_first_poll_inference_has_just_begun(node: Node) -> None:
    assert "just begun" in refused(node, "/inference/BTC")["message"]


def test_while_history_fills_its_progress_is_told(node: Node) -> None:
    progress = {"have": 4321, "want": 129600, "trained": False, "state": "filling", "detail": ""}
    node.heartbeats.beat("updater", node.clock.now_ms(), {"state": "running", "topics": {"3": progress}})
    node.watcher.poll()
    message = refused(node, "/inference/BTC")["message"]
    assert message == "topic 3 (BTC price 10m): there is no model yet: filling, 4321 of 129600 candles"
    assert "not begun" in refused(node, "/inference/ETH")["message"]


def test_when_the_exchange_has_no_data_the_updater_s_reason_is_told(node: Node) -> None:
    progress = {"have": 0, "want": 0, "trained": False, "state": "no data", "detail": "the exchange has no pair BTCUSDT"}
    node.heartbeats.beat("updater", node.clock.now_ms(), {"state": "running", "topics": {"3": progress}})
    node.watcher.poll()
    assert "no data, the exchange has no pair BTCUSDT" in refused(node, "/inference/BTC")["message"]


def test_when_the_updater_has_fallen_silent_its_last_moment_is_told(node: Node) -> None:
    node.heartbeats.beat("updater", node.clock.now_ms() - 61_000, {"state": "running", "topics": {}})
    node.watcher.poll()
    assert "last heard of at 2025-06-15 15:59:19 UTC" in refused(node, "/inference/BTC")["message"]


@pytest.mark.parametrize("body", [{}, {"topics": []}, {"topics": {"3": "soon"}}, {"topics": {"3": {}}}])
def test_whatever_the_heartbeat_holds_there_is_no_model_yet(node: Node, body: dict[str, Any]) -> None:
    node.heartbeats.beat("updater", node.clock.now_ms(), body)
    node.watcher.poll()
    assert "no model yet" in refused(node, "/inference/BTC")["message"]
