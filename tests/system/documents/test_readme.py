"""What README tells a newcomer to type works; a command that is added there needs a place here."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
from rich.console import Console

from node.clock import SystemClock
from node.config import load_config
from node.topics import Topic
from simulator.demo import Line, show
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.exchange_server import running_exchange
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.system.documents.test_names import code
from tests.worker.conftest import RunningChain, measure, run_chain

__all__ = ["measure", "run_chain"]

README = (ROOT / "README.md").read_text()
PROGRAMS = ("make", "allora-node", "curl", "docker", ".")

JOURNEY = "test_a_newcomer_gets_from_an_empty_folder_to_a_running_node"
CI = ".ci/run"
CONTAINERS = "tests/system/containers"

TRIED: dict[str, str] = {
    "make": "test_make_alone_lists_every_target",
    "make install": CI,
    ". .venv/bin/activate": JOURNEY,
    "make demo": CI,
    "make demo DEMO_SECONDS=120": CI,
    "make demo CANDLES=DIR": CI,
    "make run": JOURNEY,
    "allora-node init": JOURNEY,
    "allora-node check": JOURNEY,
    "allora-node config check": JOURNEY,
    "allora-node status --watch": JOURNEY,
    "curl localhost:8000/inference/ETH": JOURNEY,
    "curl localhost:8000/topics": JOURNEY,
    "curl localhost:8000/health/ready": JOURNEY,
    "docker compose --profile demo up": CONTAINERS,
    "docker compose up": CONTAINERS,
    "docker compose down": CONTAINERS,
    "ALLORA_MNEMONIC_FILE=./secrets/mnemonic docker compose up": CONTAINERS,
}
"""Where each command is tried: a test of this file, the script that changes must pass, or the tests with a container engine."""


def commands() -> set[str]:
    lines = [part.strip() for line in code(README) for part in line.partition("  #")[0].split("&&")]
    return {line for line in lines if re.sub(r"^[A-Z_]+=\S+ ", "", line).split(" ")[0] in PROGRAMS}


def test_every_command_of_readme_is_tried_somewhere() -> None:
    assert commands() == set(TRIED)
    assert {place for place in TRIED.values() if place not in {CI, CONTAINERS} and place not in globals()} == set()


def test_what_readme_leaves_to_others_is_tried_there() -> None:
    script = (ROOT / CI).read_text()
    assert re.search(r"^make test$", script, re.MULTILINE)  # which installs first
    assert re.search(r"make demo DEMO_SECONDS=\d+$", script, re.MULTILINE)
    assert re.search(r"make demo DEMO_SECONDS=\d+ CANDLES=", script)
    assert "pytest -m container" in script
    tried = "".join(path.read_text() for path in (ROOT / CONTAINERS).glob("*.py"))
    assert all(word in tried for word in ('"up"', '"down"', "ALLORA_MNEMONIC_FILE"))


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [line.split()[0] for line in listed.splitlines()] == targets


def get(url: str) -> tuple[int, Any]:
    """Status and JSON; 0 where nobody answers."""
    try:
        answer = requests.get(url, timeout=5)
    except requests.ConnectionError:
        return 0, None
    return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with running_exchange(SyntheticMarket(seed=1, days=2), SystemClock()) as url:
        yield url


def test_a_newcomer_gets_from_an_empty_folder_to_a_running_node(
    tmp_path: Path, exchange: str, run_chain: Callable[..., RunningChain]
) -> None:
    """README's own commands, in a folder with the Makefile and what `make install` gives, the simulators in the network's place."""
    for name in ("Makefile", "Procfile"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / ".venv").symlink_to(sys.prefix)
    chain = run_chain(1, 3, 8, 9, 37, 69)
    inference, updater, worker = free_port(), free_port(), free_port()
    environment = os.environ | chain.environment | {
        "PYTHONPATH": str(ROOT), "EXCHANGE_URLS": exchange, "INFERENCE_PORT": str(inference), "UPDATER_PORT": str(updater),
        "WORKER_PORT": str(worker), "INFERENCE_URL": f"http://127.0.0.1:{inference}",
        "CONFIG_OVERRIDES": json.dumps({"updater": {"historyDays": 1, "trainingJobs": 1}}),
    }  # fmt: skip

    def typed(command: str) -> subprocess.CompletedProcess[str]:
        assert command in TRIED
        done = subprocess.run(
            f". .venv/bin/activate && {command}",
            shell=True,
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    assert "config.json is written" in typed("allora-node init").stdout
    assert "ETH" in typed("allora-node config check").stdout
    assert "Nothing is wrong" in typed("allora-node check").stdout

    # What is installed is up to date here, whatever the dates of the files say.
    making = subprocess.Popen(
        ["make", "--old-file=install", "run"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        for port in (updater, inference, worker):
            while get(f"http://127.0.0.1:{port}/health/live")[0] != 200:
                assert making.poll() is None, making.communicate()[0]
                time.sleep(0.1)
        for command in [command for command in TRIED if command.startswith("curl localhost:8000/")]:
            status, body = get(command.replace("curl localhost:8000", f"http://127.0.0.1:{inference}"))
            assert (status, bool(body)) in {(200, True), (503, True)}, command
        assert "ETH" in typed("allora-node status --watch").stdout  # no terminal: once
    finally:
        os.killpg(making.pid, signal.SIGTERM)
        making.communicate(timeout=30)


def test_the_demos_output_is_as_readme_shows_it() -> None:
    shown = [line.strip() for line in README.splitlines() if re.match(r"    [┃│]", line)]
    head, *rows = shown
    topics = {topic.id: topic for topic in load_config(ROOT / "config.json").topics("http://localhost:8000")}
    written = StringIO()
    show([line_of(row, topics) for row in rows], Console(file=written, width=100))
    printed = [re.sub(r" +", " ", line) for line in written.getvalue().splitlines()]
    assert {re.sub(r" +", " ", line) for line in (head, *rows)} <= set(printed)


def line_of(row: str, topics: dict[int, Topic]) -> Line:
    topic, version, skill, answer, others, accepted = (task.strip() for task in row.strip("│").split("│"))
    return Line(topics[int(topic.split()[0])], True, version, skill, answer, others, int(accepted))


def test_the_topics_that_readme_adds_are_taken(tmp_path: Path) -> None:
    entries = [json.loads(line) for line in code(README) if line.startswith("{")]
    assert [entry["topicId"] for entry in entries] == [14, 4711]
    (tmp_path / "config.json").write_text(json.dumps({"worker": entries}))
    topics = load_config(tmp_path / "config.json").topics("http://localhost:8000")
    assert [str(topic) for topic in topics] == ["topic 14 (BTC price 5m)", "topic 4711 (DOGE price 1h)"]


def test_readme_is_short_and_shows_the_dashboard() -> None:
    assert len(README.splitlines()) < 140
    assert (ROOT / "docs/dashboard.png").read_bytes().startswith(b"\x89PNG")
    assert "docs/dashboard.png" in README
