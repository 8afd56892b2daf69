"""`allora-node` as an operator uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from model_store.store import ModelStore
from node.clock import SystemClock
from node.config import config_schema
from tests.support.paths import ROOT
from tests.support.tiny_models import BTC, tiny_graph, tiny_metadata


def allora_node(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"worker": [{"topicId": 3}]}))
    return path


def test_the_version_is_that_of_the_installed_project() -> None:
    assert allora_node("--version").stdout == f"{version('allora-worker-node')}\n"


def test_config_check_lists_the_topics_and_refuses_a_wrong_file_with_exit_code_two(config: Path) -> None:
    done = allora_node("config", "check", str(config), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == [{"topic_id": 3, "token": "BTC", "target": "price", "horizon": "10m", "model": "birnn"}]

    config.write_text('{"worker": [{"topicId": 3, "paramters": {}}]}')
    done = allora_node("config", "check", str(config))
    assert done.returncode == 2
    assert "worker[0].paramters: unknown key; did you mean 'parameters'?" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_config_check_says_once_which_endpoints_leave_the_time_open(config: Path) -> None:
    own = {"InferenceEndpoint": "http://inference:8000/inference/{Token}?topic={TopicId}"}
    config.write_text(json.dumps({"worker": [{"topicId": 1, "parameters": own}, {"topicId": 37, "parameters": own}]}))
    done = allora_node("config", "check", str(config), "--json")
    assert done.stderr.count("hint: ") == done.stderr.count("topic 1, 37: InferenceEndpoint should end with") == 1
    assert len(json.loads(done.stdout)) == 2
    config.write_text(json.dumps({"worker": [{"topicId": 1}]}))
    assert allora_node("config", "check", str(config)).stderr == ""


def test_topics_lists_what_is_not_answered_with_the_reason(config: Path) -> None:
    listed = {line["id"]: line for line in json.loads(allora_node("topics", "--json", CONFIG_FILE=str(config)).stdout)}
    refused = [line for line in listed.values() if line["reason"]]
    assert [(line["id"], line["token"]) for line in refused] == [(87, "GOLD"), (88, "XAG"), (89, "WTI"), (90, "")]
    assert (listed[56]["loss"], listed[3]["configured"], listed[3]["reason"]) == ("ztae", True, "")
    said = allora_node("topics", CONFIG_FILE=str(config)).stdout
    for line in refused:
        assert f"topic {line['id']} is not answered: {line['reason']}" in said

    config.write_text(json.dumps({"worker": [{"topicId": 3}, {"topicId": 89}]}))
    done = allora_node("config", "check", str(config))
    assert done.returncode == 2
    assert f"worker[1] (topic 89): this node does not answer this topic: {listed[89]['reason']}" in done.stderr


def test_config_schema_prints_the_generated_schema() -> None:
    assert json.loads(allora_node("config", "schema").stdout) == json.loads(json.dumps(config_schema()))


def test_models_are_listed_promoted_rolled_back_and_pruned(tmp_path: Path, config: Path) -> None:
    root = tmp_path / "models"
    store = ModelStore(root, SystemClock())
    names = [
        store.publish(BTC, graph=tiny_graph(answer), weights=b"weights", metadata=tiny_metadata(BTC, answer)).version
        for answer in (0.1, 0.2, 0.3)
    ]
    store.promote(BTC, names[0], "first")
    environment = {"CONFIG_FILE": str(config), "MODEL_STORE": str(root)}

    assert allora_node("models", "promote", "3", names[2], **environment).returncode == 0
    assert store.champion_version(BTC) == names[2]
    listed = json.loads(allora_node("models", "list", "--json", **environment).stdout)
    assert [row["version"] for row in listed if row["champion"]] == [names[2]]
    assert names[2] in allora_node("models", "show", "3", **environment).stdout

    assert allora_node("models", "rollback", "3", **environment).returncode == 0
    assert store.champion_version(BTC) == names[0]
    assert allora_node("models", "prune", "--keep", "1", **environment).returncode == 0
    assert names[1] not in store.versions(BTC)
    assert store.champion_version(BTC) == names[0]


def test_what_is_not_there_is_said_with_what_there_is(tmp_path: Path, config: Path) -> None:
    environment = {"CONFIG_FILE": str(config), "MODEL_STORE": str(tmp_path / "none")}
    done = allora_node("models", "show", "999", **environment)
    assert done.returncode == 2
    assert "topic 999" in done.stderr
    assert "3" in done.stderr
    assert "empty" in allora_node("models", "list", **environment).stdout


def test_a_command_whose_packages_are_not_installed_says_where_it_can_be_had(config: Path) -> None:
    code = "import sys; sys.modules['onnxruntime'] = None; from cli.main import main; main()"
    command = [sys.executable, "-c", code, "models", "list"]
    done = subprocess.run(
        command, env=os.environ | {"CONFIG_FILE": str(config)}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "needs onnxruntime, which is not installed here" in done.stderr
    assert "docker compose exec updater" in done.stderr
    assert "Traceback" not in done.stderr
