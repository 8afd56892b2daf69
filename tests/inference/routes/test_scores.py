"""GET /scores: how good the answers given were."""

from __future__ import annotations

import re

import pytest

from tests.inference.conftest import BTC_10M, Node
from tests.support.paths import ROOT


def next_minute(node: Node, last_close: float = 65_000.0) -> None:
    node.clock.advance(60)
    node.store_candles(BTC_10M, last_close=last_close)
    node.watcher.poll()


def test_scores_are_shown_once_truths_are_known_and_counted_before(node: Node) -> None:
    node.fill(BTC_10M, answer=0.1)
    node.ledger_writer.update_safely()
    before = {topic["topic_id"]: topic for topic in node.client.get("/scores").get_json()}
    assert list(before) == [3, 69, 84, 82]
    assert (before[3]["answers"], before[3]["overall"], before[3]["versions"]) == (1, None, [])
    assert before[69]["scored"] is None
    for minute in range(30):
        next_minute(node, last_close=65_000.0 + minute)
    for _ in node.current.snapshot.states:
        node.ledger_writer.update_safely()
    shown = node.client.get("/scores").get_json()[0]
    assert shown["answers"] == 31
    assert shown["overall"]["n"] == 21
    assert [version["version"] for version in shown["versions"]] == [node.models.champion_version(BTC_10M)]
    assert shown["rolling"]["open_time"][-1] == shown["overall"]["last_ms"]
    assert shown["rolling"]["skill"][-1] == pytest.approx(shown["overall"]["skill"])
    metrics = node.get("/metrics")[1]
    assert f'allora_inference_live_skill{{topic="3"}} {shown["overall"]["skill"]}' in metrics
    assert 'allora_inference_live_judged{topic="3"} 21.0' in metrics
    assert 'allora_inference_live_skill{topic="69"}' not in metrics


def test_every_key_of_scores_is_described_and_every_described_key_is_there(node: Node) -> None:
    node.fill(BTC_10M)
    for _ in range(12):
        next_minute(node)
    node.ledger_writer.update_safely()
    shown = node.client.get("/scores").get_json()[0]
    text = (ROOT / "docs/scores.md").read_text()
    table = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(table)) == list(shown)
    figures = text.split("Figures are ")[1].split("As metrics")[0]
    assert set(re.findall(r"`(\w+)`", figures)) <= shown["overall"].keys()
