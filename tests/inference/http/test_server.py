"""`python -m inference` as an operator starts it: it serves, follows what changes, and ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inference.conftest import BTC_10M, Node
from tests.support.inference_server import Server, make_node, serve, start_inference
from tests.support.paths import ROOT


def wait_until_gone(process: int) -> None:
    for _ in range(200):
        if not Path(f"/proc/{process}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("it is still there after ten seconds")


@pytest.fixture
def real_node(tmp_path: Path) -> Iterator[Node]:
    """A node at the present moment, with candles and a champion for topic 3."""
    yield from make_node(tmp_path)


@pytest.fixture
def server(real_node: Node) -> Iterator[Server]:
    yield from serve(real_node)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that leave it as it was."""
    for node in make_node(tmp_path_factory.mktemp("shared")):
        yield from serve(node)


def test_it_serves_follows_what_changes_and_ends_when_told_to(server: Server, real_node: Node) -> None:
    assert server.get("/inference/BTC") == (200, "64000.5")
    assert server.get("/health/ready")[0] == 200
    real_node.promote(BTC_10M, 0.5)
    server.wait_for(lambda: server.get("/inference/BTC") != (200, "64000.5"))
    assert server.get("/inference/BTC")[0] == 200
    real_node.write_config([3, 84])
    server.wait_for(lambda: server.get("/inference/ETH")[0] == 503)
    (worker,) = server.children()
    code, said = server.end()
    assert code == 0
    assert "Traceback" not in said
    wait_until_gone(worker)


def test_what_it_serves_is_in_the_ledger_once_though_it_is_killed_and_started_again(server: Server, real_node: Node) -> None:
    server.wait_for(lambda: len(real_node.ledger.answers(3, since_ms=0)) == 1)
    kept = real_node.ledger.answers(3, since_ms=0)
    assert f"{kept['value'][0]}" == server.get("/inference/BTC")[1]
    (worker,) = server.children()
    os.kill(worker, signal.SIGKILL)
    server.wait_for(lambda: json.loads(server.get("/scores")[1])[0]["answers"] == 1)
    assert real_node.ledger.answers(3, since_ms=0).equals(kept)


def test_several_requests_are_answered_on_one_connection(shared_server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shared_server.port, timeout=5)
    try:
        for _ in range(3):
            connection.request("GET", "/inference/BTC")
            response = connection.getresponse()
            assert response.status == 200
            assert response.read() == b"64000.5"
            assert connection.sock is not None
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_time_though_a_client_keeps_its_connection(server: Server, number: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", "/inference/BTC")
    connection.getresponse().read()
    code, said = server.end(number)
    connection.close()
    assert code == 0
    assert "Traceback" not in said


def test_a_killed_worker_process_is_replaced(server: Server) -> None:
    (worker,) = server.children()
    os.kill(worker, signal.SIGKILL)
    server.wait_for(lambda: server.children() not in ([worker], []))
    server.wait_for(lambda: server.get("/inference/BTC") == (200, "64000.5"))


def test_a_replaced_worker_process_goes_on_with_the_last_good_config_whatever_the_file_says_now(
    real_node: Node, server: Server
) -> None:
    def topics() -> list[int]:
        return [topic["topic_id"] for topic in json.loads(server.get("/topics")[1])]

    real_node.write_config([3, 14], inference={"staleAfter": "60m"})
    server.wait_for(lambda: topics() == [3, 14])
    real_node.config_path.write_text('{"worker": [')
    (worker,) = server.children()
    os.kill(worker, signal.SIGKILL)
    server.wait_for(lambda: server.children() not in ([worker], []))
    server.wait_for(lambda: topics() == [3, 14])
    real_node.write_config([14], inference={"staleAfter": "60m"})
    server.wait_for(lambda: topics() == [14])


def test_a_worker_process_does_not_outlive_a_killed_parent(server: Server) -> None:
    (worker,) = server.children()
    server.process.kill()
    wait_until_gone(worker)


def test_stopped_for_a_while_it_serves_when_it_goes_on(shared_server: Server) -> None:
    stopped = [shared_server.process.pid, *shared_server.children()]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            shared_server.get("/inference/BTC", seconds=1)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert shared_server.get("/inference/BTC") == (200, "64000.5")


def test_garbage_instead_of_http_disturbs_nobody(shared_server: Server) -> None:
    for garbage in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", shared_server.port), timeout=5) as client:
            client.sendall(garbage)
            answer = client.recv(65536)
            assert answer.split()[1] == b"400"
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "bad_request"
    assert shared_server.get("/inference/BTC")[0] == 200


def test_a_port_in_use_is_said_in_one_line(real_node: Node) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = start_inference(real_node, INFERENCE_PORT=str(taken.getsockname()[1]))
        _, said = server.process.communicate(timeout=60)
    assert server.process.returncode == 2
    assert said.startswith("error: cannot listen on 127.0.0.1:")
    assert "Traceback" not in said


def test_a_wrong_config_ends_it_at_once_with_exit_code_2(real_node: Node) -> None:
    real_node.config_path.write_text('{"worker": [{"topicIdd": 3}]}')
    server = start_inference(real_node)
    _, said = server.process.communicate(timeout=60)
    assert server.process.returncode == 2
    assert "topicId" in said


MODULES = """
import json, sys
import inference.service, inference.http.server
print(json.dumps(sorted(sys.modules)))
"""


def test_the_serving_process_imports_no_torch() -> None:
    done = subprocess.run([sys.executable, "-c", MODULES], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    modules = json.loads(done.stdout)
    assert "onnxruntime" in modules
    heavy = ("torch", "onnx", "onnxscript", "sklearn", "joblib", "safetensors", "requests", "updater", "worker", "simulator")
    assert [name for name in modules if name.split(".")[0] in heavy] == []
