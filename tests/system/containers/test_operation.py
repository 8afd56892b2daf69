"""What an operator does to a running node, and what happens to it: edits, kills, restarts, backups, upgrades."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.containers.conftest import ROOT, SERVICES, SIMULATORS, Node, run, wait_for

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

ALL = (*SERVICES, *SIMULATORS)
GRACE_SECONDS = 10
"""After which Docker kills what has not ended by itself."""
FILL = """
import os
for process in os.listdir("/proc"):
    if process.isdigit() and process not in {"1", str(os.getpid())}:
        open(f"/proc/{process}/oom_score_adj", "w").write("1000")
held = []
while True:
    held.append(b"x" * 2**26)
"""


def champions(node: Node) -> dict[int, str]:
    return {topic["topic_id"]: topic["champion"] for topic in node.topics()}


def starts(node: Node, *services: str) -> dict[str, str]:
    return {service: node.started(service) for service in services}


@pytest.mark.parametrize(("number", "rename"), [(14, False), (13, True)], ids=["in place", "by renaming"])
def test_a_topic_added_to_config_is_served_and_submitted_without_a_restart(running: Node, number: int, rename: bool) -> None:
    before = starts(running, *ALL)
    running.edit(lambda content: content["worker"].append({"topicId": number}), rename=rename)
    wait_for(lambda: number in champions(running), 30, "the topic is known")
    wait_for(running.all_answer, 400, "the topic is served")
    wait_for(lambda: number in running.accepted_topics(), 60, "a submission for the topic is accepted")
    assert starts(running, *ALL) == before


def test_a_bad_edit_is_refused_with_a_reason_and_the_last_good_config_stays_in_force(running: Node) -> None:
    good, before = running.config.read_text(), champions(running)
    running.edit(lambda content: content["worker"].append({"topicNumber": 99}), rename=True)
    for service in ("updater", "inference", "worker"):
        wait_for(lambda service=service: "did you mean 'topicId'" in running.compose("logs", "--no-color", service), 30, service)
    assert champions(running) == before
    assert running.all_answer()
    running.config.write_text(good)


@pytest.mark.parametrize("service", ALL)
def test_a_killed_container_returns_and_the_others_do_not_notice(running: Node, service: str) -> None:
    others = starts(running, *(other for other in ALL if other != service))
    before, accepted = running.started(service), len(running.accepted())
    os.kill(running.process(service), signal.SIGKILL)
    wait_for(lambda: running.started(service) != before, 30, "started again")
    wait_for(lambda: running.is_healthy(service), 60, "healthy again")
    wait_for(running.all_answer, 60, "every topic answered again")
    assert starts(running, *others) == others
    if service != "chain":
        wait_for(lambda: len(running.accepted()) > accepted, 60, "submissions go on")


def test_an_updater_that_fills_its_memory_is_restarted_alone_and_answers_go_on(running: Node) -> None:
    others = starts(running, *(other for other in ALL if other != "updater"))
    before = running.started("updater")
    command = ["docker", "compose", "--project-name", running.project, "exec", "-T", "updater", "python", "-c", FILL]
    filling = subprocess.Popen(command, cwd=ROOT, env=running.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    answers = []

    def restarted() -> bool:
        answers.append(running.get("/inference/ETH").status_code)
        return running.started("updater") != before

    wait_for(restarted, 60, "the updater is started again")
    filling.kill()
    filling.wait()
    assert set(answers) == {200}
    assert starts(running, *others) == others
    wait_for(lambda: running.is_healthy("updater"), 60, "healthy again")


def test_down_waits_for_nobody_to_be_killed_and_up_answers_from_the_stored_champion(
    running: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    before = champions(running)
    down = timed(lambda: running.compose("down"))
    began = time.monotonic()
    running.up()
    wait_for(lambda: running.get("/inference/ETH").status_code == 200, 60, "an answer")
    up = time.monotonic() - began
    with capsys.disabled():
        print(f"\ndown in {down:.1f} s, up with an answer in {up:.1f} s")
    assert champions(running) == before
    assert down < GRACE_SECONDS


def test_a_backup_brings_everything_back_on_empty_volumes(running: Node, tmp_path: Path) -> None:
    before, file = champions(running), tmp_path / "node.tar"
    running.compose("stop")
    with file.open("wb") as archive:
        transfer(running, ["tar", "-cf", "-", "/data", "/models"], stdout=archive)
    running.compose("down", "--volumes")
    with file.open("rb") as archive:
        transfer(running, ["tar", "-xf", "-", "-C", "/"], stdin=archive)
    running.up()
    wait_for(running.all_answer, 60, "every topic answered")
    assert champions(running) == before


def test_an_upgrade_keeps_the_volumes(running: Node) -> None:
    before, image = champions(running), running.inspect("inference")["Image"]
    running.environment["REVISION"] = "the next one"
    override = os.environ.get("ENGINE_BUILD_OVERRIDE")
    files = ["--file", "docker-compose.yml", *(["--file", override] if override else [])]
    run(["docker", "compose", *files, *running.profiles, "build"], running.environment)
    running.up()
    upgraded = running.inspect("inference")
    assert upgraded["Image"] != image
    assert upgraded["Config"]["Labels"]["org.opencontainers.image.revision"] == "the next one"
    wait_for(running.all_answer, 60, "every topic answered")
    assert champions(running) == before


def test_without_the_demo_the_same_project_is_the_real_node_with_data_of_its_own(running: Node) -> None:
    running.compose("stop")
    running.profiles = []
    try:
        running.up()
        for service in SERVICES:
            wait_for(lambda service=service: running.is_healthy(service), 60, f"{service} healthy")
        settings = "__import__('node.environment').environment.load_settings()"
        assert "binance" in running.python("updater", f"{settings}.exchange_urls")
        assert running.python("updater", f"[{settings}.database_url, str({settings}.model_store)]") == [
            "sqlite:////data/node.db",
            "/models",
        ]
        wait_for(lambda: running.get("/inference/ETH").status_code == 503, 30, "a refusal")
        assert "there is no model yet" in running.get("/inference/ETH").json()["error"]["message"]
    finally:
        running.compose("stop")
        running.profiles = ["--profile", "demo"]
        running.up()


def timed(action: Any) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def transfer(node: Node, command: list[str], **streams: Any) -> None:
    """A command in a container that has the updater's volumes and runs nothing else."""
    whole = ["docker", "compose", "--project-name", node.project, "run", "--rm", "--no-deps", "-T", "updater", *command]
    subprocess.run(whole, cwd=ROOT, env=node.environment, check=True, **streams)
