"""The worker as a process: signals, kill -9, a chain that comes late, and its one secret."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer

from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.worker.conftest import RunningChain, RunningWorker, wait_until

RunChain = Callable[..., RunningChain]


class Node:
    """What `python -m worker` is started with, again and again."""

    def __init__(self, folder: Path, chain: dict[str, str], httpserver: HTTPServer, *topics: int, **wallet: Any) -> None:
        # Writes config.json and the mnemonic; its thread is never started.
        self.words = RunningWorker(folder, chain, "http://localhost", *topics, **wallet).words
        self.log = folder / "worker.log"
        self.port = free_port()
        self.environment = chain | {
            "CONFIG_FILE": str(folder / "config.json"),
            "INFERENCE_URL": httpserver.url_for("").rstrip("/"),
            "WORKER_PORT": str(self.port),
            "LOG_LEVEL": "debug",
        }

    @contextmanager
    def run(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("ab") as output:
            running = subprocess.Popen(
                [sys.executable, "-m", "worker"], cwd=ROOT, env=os.environ | self.environment, stdout=output, stderr=output
            )
            try:
                yield running
            finally:
                if running.poll() is None:
                    running.kill()
                running.wait()


def test_killed_in_the_middle_of_windows_it_submits_nothing_twice_and_goes_on(
    tmp_path: Path, run_chain: RunChain, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3, block_seconds=0.25)
    node = Node(tmp_path, chain.environment, inference, 1, 3)
    for _ in range(3):
        before = len(chain.state.submissions)
        with node.run() as running:
            # A transaction of ours waits for its block: the worst moment to die.
            wait_until(lambda before=before: chain.state.mempool or len(chain.state.submissions) > before)
            running.kill()
    with node.run():
        chain.wait_for(1, len(chain.accepted(1)) + 1)
        chain.wait_for(3, len(chain.accepted(3)) + 1)
    chain.assert_nothing_twice()
    assert not [entry for entry in chain.state.refused if entry["code"] in {68, 75, 78}]


def test_no_secret_is_in_a_log_a_metric_a_health_check_or_the_process_list(
    tmp_path: Path, run_chain: RunChain, inference: HTTPServer
) -> None:
    chain = run_chain(1)
    node = Node(tmp_path, chain.environment, inference, 1)
    with node.run() as running:
        chain.wait_for(1)
        seen = node.log.read_text()
        for path in ("/metrics", "/health/live", "/health/ready"):
            seen += requests.get(f"http://127.0.0.1:{node.port}{path}", timeout=5).text  # ready or not, no secret
        for file in ("cmdline", "environ"):
            seen += Path(f"/proc/{running.pid}/{file}").read_bytes().decode(errors="replace")
        running.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert running.wait(10) == 0
        assert time.monotonic() - started < 5
    seen += node.log.read_text()
    words = node.words.read_text().split()
    assert " ".join(words[:2]) not in seen
    assert "Traceback" not in seen


def test_the_end_of_its_terminal_ends_it(tmp_path: Path, run_chain: RunChain, inference: HTTPServer) -> None:
    chain = run_chain(1)
    node = Node(tmp_path, chain.environment, inference, 1)
    with node.run() as running:
        chain.wait_for(1)
        running.send_signal(signal.SIGHUP)
        assert running.wait(10) == 0
    assert "ending" in node.log.read_text()


def test_a_chain_that_comes_late_is_waited_for(tmp_path: Path, inference: HTTPServer) -> None:
    port, http_port = free_port(), free_port()
    chain = {
        "CHAIN_GRPC_URL": f"grpc+http://127.0.0.1:{port}",
        "CHAIN_WEBSOCKET_URL": f"ws://127.0.0.1:{http_port}/websocket",
        "CHAIN_ID": "localnet",
    }
    node = Node(tmp_path, chain, inference, 1)
    command = [
        "-m",
        "simulator.chain",
        "--port",
        str(port),
        "--http-port",
        str(http_port),
        "--topics",
        "1",
        "--block-seconds",
        "0.2",
    ]
    with node.run():
        wait_until(lambda: "no chain, trying again" in node.log.read_text())
        late = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: "outcome=accepted" in node.log.read_text())
        finally:
            late.send_signal(signal.SIGHUP)  # its terminal is gone
            late.wait(10)


@pytest.mark.parametrize("content", [None, b"", b"one two three", b"\xff\xfe"])
def test_without_a_usable_mnemonic_it_says_what_to_do_and_asks_nobody(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "words"
    if content is not None:
        file.write_bytes(content)
    (tmp_path / "config.json").write_text('{"wallet": {"submitTx": true}, "worker": [{"topicId": 1}]}')
    environment = {
        "CONFIG_FILE": str(tmp_path / "config.json"),
        "ALLORA_MNEMONIC_FILE": str(file),
        "WORKER_PORT": str(free_port()),
    }
    done = subprocess.run(
        [sys.executable, "-m", "worker"],
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "mnemonic" in done.stderr
    assert "submitTx" in done.stderr
    assert "Traceback" not in done.stderr
    assert "two" not in done.stderr
