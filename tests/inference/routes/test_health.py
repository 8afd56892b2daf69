"""GET /health/live, /health/ready and /metrics."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.inference.conftest import BTC_10M, ETH_8H, Node, json_of


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
