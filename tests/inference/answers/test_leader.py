"""A model that reads another token's candles answers only from candles of both that closed together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.answers.snapshot import Answer
from node.durations import Interval
from node.topics import Task
from tests.inference.conftest import ETH_8H, START_MS, Node, candles_until, signature_of
from tests.support.tiny_models import tiny_graph, tiny_metadata

BTC = replace(ETH_8H, token="BTC")
BAR_SECONDS = ETH_8H.interval.ms // 1000


def promote(node: Node, task: Task) -> None:
    signature = signature_of(task) | {"features": ["day_sine", "leader_return_1"], "leader": "BTC", "scale_span": 5}
    metadata = tiny_metadata(task, 0.0, signature=signature)
    version = node.models.publish(task, graph=tiny_graph(0.0), weights=b"w", metadata=metadata).version
    node.models.promote(task, version, "better")


def store(node: Node, task: Task) -> None:
    for interval in (task.interval, Interval.MINUTE):
        node.candles.upsert(task.symbol, interval, candles_until(node.clock.now_ms(), interval, count=300))


def made_from(node: Node) -> int:
    node.watcher.poll()
    (state,) = node.current.snapshot.states
    assert isinstance(state.outcome, Answer)
    return state.outcome.made_from


@pytest.fixture
def leading(node: Node) -> Node:
    """Topic 84 alone, whose model reads BTC's candles too; both tokens' are there."""
    node.write_config([84])
    store(node, ETH_8H)
    store(node, BTC)
    promote(node, ETH_8H)
    return node


def test_it_answers_from_the_newest_candles_that_both_tokens_have(leading: Node) -> None:
    newest = ETH_8H.interval.last_closed(leading.clock.now_ms())
    assert made_from(leading) == newest
    leading.clock.advance(BAR_SECONDS)
    store(leading, ETH_8H)
    assert made_from(leading) == newest
    store(leading, BTC)
    assert made_from(leading) == newest + ETH_8H.interval.ms


def test_it_is_silent_when_the_other_tokens_candles_are_overdue(leading: Node) -> None:
    assert made_from(leading) < START_MS
    leading.clock.advance(2 * BAR_SECONDS)
    store(leading, ETH_8H)
    leading.watcher.poll()
    status, body = leading.get("/inference/ETH")
    assert status == 503
    assert "BTCUSDT" in body


def test_it_is_silent_while_there_are_no_candles_of_the_other_token(node: Node) -> None:
    node.write_config([84])
    store(node, ETH_8H)
    promote(node, ETH_8H)
    node.watcher.poll()
    status, body = node.get("/inference/ETH")
    assert status == 503
    assert "BTCUSDT" in body


def test_a_gap_in_the_other_tokens_candles_is_no_answer(node: Node) -> None:
    node.write_config([84])
    store(node, ETH_8H)
    gapped = candles_until(node.clock.now_ms(), BTC.interval, count=300).drop(index=290)
    node.candles.upsert(BTC.symbol, BTC.interval, gapped)
    promote(node, ETH_8H)
    node.watcher.poll()
    status, body = node.get("/inference/ETH")
    assert status == 503
    assert "gap" in body
