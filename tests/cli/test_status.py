"""`allora-node status`: what the processes say of themselves, on one screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pytest_httpserver import HTTPServer

from node.health import Check, StatusServer
from tests.cli.test_command import allora_node
from tests.support.ports import free_port
from worker.metrics import Metrics
from worker.outcomes import ACCEPTED, Outcome
from worker.unit_guard import Comparison

TOPIC = {
    "topic_id": 3, "ready": True, "reason": "", "answer": "64000.5", "age_seconds": 31.0, "champion": "20261101T000000Z-aaaaaa",
    "skill": 0.0123,
}  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config.json").write_text(json.dumps({"worker": [{"topicId": 3}, {"topicId": 14}], "wallet": {"submitTx": True}}))
    return {
        "CONFIG_FILE": str(tmp_path / "config.json"),
        "INFERENCE_URL": f"http://127.0.0.1:{free_port()}",
        "UPDATER_PORT": str(free_port()),
        "WORKER_PORT": str(free_port()),
    }


def test_a_node_that_does_not_run_is_shown_as_such(environment: dict[str, str]) -> None:
    done = allora_node("status", "--watch", **environment)  # no terminal: once
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✗ down") == 3
    assert "\x1b" not in done.stdout
    view = json.loads(allora_node("status", "--json", **environment).stdout)
    assert [process["alive"] for process in view["processes"]] == [False] * 3
    assert [(topic["topic_id"], topic["ready"]) for topic in view["topics"]] == [(3, False), (14, False)]
    assert view["balance_allo"] is None


def test_answers_models_live_skill_progress_windows_and_balance_stand_together(
    environment: dict[str, str], httpserver: HTTPServer
) -> None:
    waiting = TOPIC | {"topic_id": 14, "ready": False, "reason": "no model", "answer": None, "champion": None, "skill": None}
    httpserver.expect_request("/topics").respond_with_json([TOPIC, waiting])
    httpserver.expect_request("/scores").respond_with_json([{"topic_id": 3, "overall": {"skill": -0.5, "n": 77}}])
    progress = {"3": {"state": "ready"}, "14": {"state": "filling", "have": 12, "want": 34, "detail": ""}}
    httpserver.expect_request("/updater").respond_with_json({"heard": "now", "state": "running", "topics": progress})
    bad = {"name": "topic 14", "ok": False, "detail": "no model", "hint": ""}
    httpserver.expect_request("/health/ready").respond_with_json({"status": "not ready", "checks": [bad]}, status=503)
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.record(Outcome(3, 100, ACCEPTED, 1.0))
    metrics.record(Outcome(14, 100, "no_answer"))
    metrics.balance.set(2.5e18)
    metrics.compared(3, Comparison(64000.5, 5, 64001.0, 0.99999))
    worker = StatusServer("127.0.0.1", 0, lambda: [Check("chain", True)], registry)
    worker.start()
    try:
        environment |= {"INFERENCE_URL": httpserver.url_for("").rstrip("/"), "WORKER_PORT": str(worker.port)}
        view = json.loads(allora_node("status", "--json", **environment).stdout)
        screen = allora_node("status", **environment).stdout
    finally:
        worker.stop()
    states = {process["name"]: (process["alive"], process["ready"]) for process in view["processes"]}
    assert states == {"updater": (False, False), "inference": (True, False), "worker": (True, True)}
    first, second = view["topics"]
    assert (first["answer"], first["live_skill"], first["judged"], first["windows"]) == ("64000.5", -0.5, 77, {"accepted": 1})
    assert (second["updater"]["have"], second["failed_in_a_row"], view["balance_allo"]) == (12, 1, 2.5)
    assert first["network"] == {"answer": 64000.5, "median": 64001.0, "others": 5.0, "ratio": 0.99999, "suspected": 0.0}
    for said in (
        "2.5 ALLO",
        "64000.5",
        "31 s",
        "-0.5000 of 77",
        "1 accepted",
        "filling, 12 of 34 candles",
        "1 failed in a row",
        "64001 of 5, ours × 1",
    ):
        assert said in screen
