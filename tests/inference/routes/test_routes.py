"""Lists, health, metrics, and errors in one form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from inference.application import create_app
from inference.metrics import InferenceMetrics
from node.topics import WORKER_AGENT
from tests.inference.conftest import BTC_10M, ETH_8H, Node


def json_of(node: Node, path: str, status: int = 200) -> Any:
    response = node.client.get(path)
    assert response.status_code == status
    assert response.content_type == "application/json"
    return json.loads(response.data)


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


def test_models_shows_the_champion_its_history_and_the_reasons(node: Node) -> None:
    node.fill(BTC_10M, answer=0.1)
    node.fill(BTC_10M, answer=0.2)
    newest, older = (manifest.version for manifest in node.models.history(BTC_10M))
    entry = json_of(node, "/models")[0]
    assert entry["model"] == "BTC/price-10m"
    assert entry["topics"] == [3]
    assert entry["champion"] == entry["serving"] == newest
    assert entry["reason"] == "better"
    assert entry["former_champions"] == [older]
    assert entry["scores"] == {"skill": 0.01, "n": 100}
    assert [version["version"] for version in entry["history"]] == [newest, older]
    assert entry["history"][0]["reason"] == "promoted: better"


def test_models_tells_when_another_version_than_the_champion_is_served(node: Node) -> None:
    node.fill(BTC_10M, answer=0.1)
    node.fill(BTC_10M, answer=0.2)
    newest, older = (manifest.version for manifest in node.models.history(BTC_10M))
    (node.models.root / "BTC" / "price-10m" / newest / "model.onnx").write_bytes(b"damaged")
    (node.models.root / "BTC" / "price-10m" / newest / "manifest.json").write_bytes(b"damaged")
    node.models.rollback(BTC_10M)
    node.models.promote(BTC_10M, older, "the other one is damaged")
    node.watcher.poll()
    entry = json_of(node, "/models")[0]
    assert entry["champion"] == entry["serving"] == older
    assert "error" in entry["history"][0]
    assert entry["history"][0]["version"] == newest


def test_models_without_any_model_says_so(node: Node) -> None:
    assert [entry["reason"] for entry in json_of(node, "/models")] == ["nothing was promoted yet"] * 4


def test_models_forgets_versions_that_were_pruned(node: Node) -> None:
    for answer in (0.1, 0.2, 0.3):
        node.fill(BTC_10M, answer=answer)
    assert len(json_of(node, "/models")[0]["history"]) == 3
    node.models.prune(BTC_10M, 1)
    assert len(json_of(node, "/models")[0]["history"]) == 2


def test_ready_only_when_every_topic_has_a_fresh_answer(node: Node) -> None:
    node.write_config([3, 84])
    node.fill(BTC_10M)
    body = json_of(node, "/health/ready", 503)
    assert body["status"] == "not ready"
    failed = {check["name"]: check["detail"] for check in body["checks"] if not check["ok"]}
    assert failed.keys() == {"topic 84"}
    assert "no model yet" in failed["topic 84"]
    node.fill(ETH_8H)
    assert json_of(node, "/health/ready")["status"] == "ready"
    node.clock.advance(181)
    body = json_of(node, "/health/ready", 503)
    failed = {check["name"]: check["detail"] for check in body["checks"] if not check["ok"]}
    assert "overdue" in failed["topic 3"]
    assert "1m candle of ETHUSDT" in failed["topic 84"]


def test_ready_tells_when_the_watcher_has_hung(node: Node) -> None:
    node.write_config([84])
    node.fill(ETH_8H)
    node.watcher.poll_safely()
    node.clock.advance(31)
    body = json_of(node, "/health/ready", 503)
    assert [check["name"] for check in body["checks"] if not check["ok"]] == ["watcher"]


def test_alive_as_long_as_the_watcher_is(node: Node) -> None:
    assert json_of(node, "/health/live") == {"status": "live"}
    node.watcher.start()
    assert json_of(node, "/health/live") == {"status": "live"}
    node.watcher.stop()
    json_of(node, "/health/live", 503)


@pytest.mark.parametrize("path", ["/nope", "/inference", "/inference/", "/inference/BTC/3", "/inference/BTC/", "/static/x", "/%00"])
def test_an_unknown_route_is_an_error_in_the_one_form(node: Node, path: str) -> None:
    error = json_of(node, path, 404)["error"]
    assert error["code"] == "not_found"
    assert error["hint"] == "GET / lists the routes."


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_another_method_is_an_error_in_the_one_form(node: Node, method: str) -> None:
    response = getattr(node.client, method)("/inference/BTC")
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert json.loads(response.data)["error"]["code"] == "method_not_allowed"


def test_a_fault_of_our_own_is_an_error_in_the_one_form(node: Node) -> None:
    def fail() -> int | None:
        raise RuntimeError("unforeseen")

    app = create_app(
        current=node.current, store=node.models, clock=node.clock, metrics=InferenceMetrics(), hung_for_ms=fail
    )  # fmt: skip
    response = app.test_client().get("/health/ready")
    assert response.status_code == 500
    assert json.loads(response.data)["error"]["code"] == "internal_error"
    assert b"unforeseen" not in response.data


def test_a_long_token_is_not_echoed_at_length(node: Node) -> None:
    status, body = node.get("/inference/" + "x" * 5000)
    assert status == 404
    assert len(body) < 500


def metrics_of(node: Node) -> dict[str, dict[tuple[str, ...], float]]:
    text = node.client.get("/metrics").get_data(as_text=True)
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_metrics_count_requests_by_route_and_status_and_show_every_topic(node: Node) -> None:
    node.fill(BTC_10M)
    node.watcher.poll_safely()
    for path in ("/inference/BTC", "/inference/BTC", "/inference/DOGE", "/surprise/1", "/surprise/2"):
        node.get(path)
    metrics = metrics_of(node)
    requests = metrics["allora_inference_requests_total"]
    assert requests == {("inference", "200"): 2, ("inference", "404"): 1, ("none", "404"): 2}
    assert metrics["allora_inference_topic_ready"] == {("3",): 1, ("69",): 0, ("84",): 0, ("82",): 0}
    assert metrics["allora_inference_answer_age_seconds"] == {("3",): 20}
    assert metrics["allora_inference_champion_skill"] == {("3",): 0.01}
    assert metrics["allora_inference_snapshots_total"][()] >= 1
    assert all(name.startswith("allora_inference_") for name in metrics)


def test_the_index_lists_routes_that_exist(node: Node) -> None:
    node.fill(BTC_10M)
    status, text = node.get("/")
    assert status == 200
    paths = [line.split()[0] for line in text.splitlines()]
    assert "/topics" in paths
    for path in paths:
        assert node.get(
            path.replace("<token>", "BTC").replace("<id>", "3").replace("<n>", "5").replace("<ms>", str(node.clock.now_ms()))
        )[0] in (200, 503)
