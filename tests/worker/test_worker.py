"""The worker as a process, against a real inference endpoint and a chain that checks what it is sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mnemonic import Mnemonic
from pytest_httpserver import HTTPServer

from tests.updater.test_process import free_port, process

ROOT = Path(__file__).parents[2]


class Chain:
    """A simulated chain in a process of its own, with a block every quarter of a second."""

    def __init__(self, port: int, http_port: int) -> None:
        self._http_port = http_port
        self.environment = {
            "CHAIN_GRPC_URL": f"grpc+http://127.0.0.1:{port}",
            "CHAIN_WEBSOCKET_URL": f"ws://127.0.0.1:{http_port}/websocket",
            "CHAIN_ID": "localnet",
        }

    def submissions(self) -> list[dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._http_port}/ledger", timeout=5) as response:
                content = json.load(response)
        except OSError:
            return []
        return list(content["submissions"])

    def wait_for(self, topics: set[int], seconds: float = 60) -> list[dict[str, Any]]:
        """Submissions once each of the topics has one."""
        deadline = time.monotonic() + seconds
        while not topics <= {int(entry["topic_id"]) for entry in self.submissions()}:
            assert time.monotonic() < deadline, f"accepted only {self.submissions()}"
            time.sleep(0.1)
        return self.submissions()


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    port, http_port = free_port(), free_port()
    options = ["--port", str(port), "--http-port", str(http_port), "--topics", "1,3,69", "--block-seconds", "0.25"]
    with process("simulator.chain", *options, log=tmp_path / "chain.log"):
        yield Chain(port, http_port)


@contextmanager
def worker(
    folder: Path, chain: Chain, httpserver: HTTPServer, *topics: int, submit: bool = True
) -> Iterator[subprocess.Popen[bytes]]:
    write_config(folder, *topics, submit=submit)
    words = folder / "mnemonic"
    if not words.exists():
        words.write_text(Mnemonic("english").generate())
    environment = chain.environment | {
        "CONFIG_FILE": str(folder / "config.json"),
        "INFERENCE_URL": httpserver.url_for("").rstrip("/"),
        "WORKER_PORT": str(free_port()),
        "LOG_FORMAT": "console",
    }
    if submit:
        environment["ALLORA_MNEMONIC_FILE"] = str(words)
    with process("worker", log=folder / "worker.log", **environment) as running:
        yield running


def write_config(folder: Path, *topics: int, submit: bool = True) -> None:
    content = {"wallet": {"submitTx": submit, "mnemonicFile": str(folder / "none")}, "worker": [{"topicId": n} for n in topics]}
    aside = folder / "config.json.new"
    aside.write_text(json.dumps(content))
    os.replace(aside, folder / "config.json")


def wait_for_log(path: Path, text: str, seconds: float = 30) -> str:
    deadline = time.monotonic() + seconds
    while text not in path.read_text():
        assert time.monotonic() < deadline, path.read_text()[-2000:]
        time.sleep(0.1)
    return path.read_text()


def test_every_topic_is_submitted_once_a_window_and_a_topic_can_be_added_while_it_runs(
    tmp_path: Path, chain: Chain, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/inference/ETH").respond_with_data("2535.91")
    httpserver.expect_request("/inference/BTC").respond_with_data("73984.23")
    with worker(tmp_path, chain, httpserver, 1, 3) as running:
        chain.wait_for({1, 3})
        write_config(tmp_path, 1, 3, 69)
        submissions = chain.wait_for({1, 3, 69})
        running.send_signal(signal.SIGTERM)
        assert running.wait(5) == 0
    assert {entry["value"] for entry in submissions if entry["topic_id"] == 1} == {"2535.91"}
    assert max(Counter((entry["topic_id"], entry["nonce"]) for entry in submissions).values()) == 1
    log = (tmp_path / "worker.log").read_text()
    assert "Traceback" not in log
    assert not any(word in log for word in [(tmp_path / "mnemonic").read_text()])


def test_a_dry_run_needs_no_wallet_and_says_what_it_would_have_sent(tmp_path: Path, chain: Chain, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/inference/ETH").respond_with_data("2535.91")
    with worker(tmp_path, chain, httpserver, 1, submit=False):
        log = wait_for_log(tmp_path / "worker.log", "dry_run")
    assert "2535.91" in log
    assert chain.submissions() == []


def test_inference_that_is_not_ready_is_asked_again_within_the_window(tmp_path: Path, chain: Chain, httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request("/inference/ETH").respond_with_data("", status=503)
    httpserver.expect_ordered_request("/inference/ETH").respond_with_data("nan")
    for _ in range(50):
        httpserver.expect_ordered_request("/inference/ETH").respond_with_data("2535.91")
    with worker(tmp_path, chain, httpserver, 1):
        submissions = chain.wait_for({1})
    assert {entry["value"] for entry in submissions} == {"2535.91"}


def test_without_a_mnemonic_it_says_where_to_put_one_and_submits_nothing(tmp_path: Path, httpserver: HTTPServer) -> None:
    write_config(tmp_path, 1)
    environment = {"CONFIG_FILE": str(tmp_path / "config.json"), "WORKER_PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, "-m", "worker"],
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "holds no mnemonic" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_chain_that_is_not_there_is_waited_for(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/inference/ETH").respond_with_data("2535.91")
    port, http_port = free_port(), free_port()
    chain = Chain(port, http_port)
    with worker(tmp_path, chain, httpserver, 1):
        wait_for_log(tmp_path / "worker.log", "waiting for the chain")
        options = ["--port", str(port), "--http-port", str(http_port), "--topics", "1", "--block-seconds", "0.25"]
        with process("simulator.chain", *options, log=tmp_path / "chain.log"):
            chain.wait_for({1})
