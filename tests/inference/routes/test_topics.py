"""GET /topics: every topic with its answer and its model, or why there is none."""

from __future__ import annotations

from node.topics import WORKER_AGENT
from tests.inference.conftest import BTC_10M, Node, json_of


def test_topics_shows_each_topic_with_its_answer_and_model(node: Node) -> None:
    node.fill(BTC_10M)
    version = node.models.champion_version(BTC_10M)
    first, second, *_ = json_of(node, "/topics")
    assert first == {
        "topic_id": 3,
        "token": "BTC",
        "target": "price",
        "horizon": "10m",
        "interval": "1m",
        "model": "birnn",
        "loss": "mse",
        "ready": True,
        "reason": "",
        "hint": "",
        "overdue_since": None,
        "answer": "64000.5",
        "made_from": "2025-06-15T15:59:00Z",
        "age_seconds": 20.0,
        "expires": "2025-06-15T16:03:00Z",
        "champion": version,
        "skill": 0.01,
        "asked": None,
        "endpoint": "/inference/BTC?topic=3",
    }
    assert second["topic_id"] == 69
    assert second["ready"] is False
    assert second["answer"] is None
    assert "no model yet" in second["reason"]


def test_topics_shows_when_the_worker_last_asked(node: Node) -> None:
    node.fill(BTC_10M)
    node.get("/inference/BTC?topic=3")
    assert json_of(node, "/topics")[0]["asked"] is None
    node.client.get("/inference/BTC?topic=3", headers={"User-Agent": WORKER_AGENT})
    node.clock.advance(60)
    first, second, *_ = json_of(node, "/topics")
    assert (first["asked"], second["asked"]) == ("2025-06-15T16:00:20Z", None)


def test_a_stale_topic_shows_no_answer_but_why(node: Node) -> None:
    node.fill(BTC_10M)
    node.clock.advance(600)
    first = json_of(node, "/topics")[0]
    assert first["ready"] is False
    assert first["answer"] is None
    assert "overdue" in first["reason"]
    assert first["age_seconds"] == 620.0
    assert first["overdue_since"] == "2025-06-15T16:01:00Z"
