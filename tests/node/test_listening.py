"""Where a process listens: what cannot be is one message that names the variable."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cli.context import Place
from cli.process_api import addresses
from node.config import parse_config
from node.environment import Settings, load_settings
from node.errors import ConfigError
from node.health import Check, StatusServer
from node.listening import listening_address
from tests.support.paths import ROOT


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "0.0.0.0:8000", "http://localhost", "a" * 70, "ö.."])
def test_an_address_that_is_not_this_machines_is_refused_by_its_variable_with_what_to_write(host: str) -> None:
    with pytest.raises(ConfigError, match=r"INFERENCE_HOST: .* is not an address of this machine") as caught:
        listening_address(host, 0, host_variable="INFERENCE_HOST", port_variable="INFERENCE_PORT")
    assert "127.0.0.1" in caught.value.hint


def test_a_port_that_is_taken_is_said_with_the_variable_that_chooses_another(taken: int) -> None:
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{taken}") as caught:
        listening_address("127.0.0.1", taken, host_variable="STATUS_HOST", port_variable="WORKER_PORT")
    assert "WORKER_PORT" in caught.value.hint


@pytest.mark.parametrize("written", ["::1", "[::1]"])
def test_health_and_metrics_are_shown_on_ipv6_and_found_there(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUS_HOST", written)
    server = StatusServer(load_settings().status_host, 0, lambda: [Check("all", True)], CollectorRegistry())
    server.start()
    try:
        monkeypatch.setenv("WORKER_PORT", str(server.port))
        settings = load_settings()
        config = parse_config('{"worker": [{"topicId": 1}]}')
        url = addresses(Place(settings, config, ()))["worker"]
        with urllib.request.urlopen(f"{url}/health/ready") as response:
            assert response.status == 200
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("process", "host", "port"),
    [
        ("inference", "INFERENCE_HOST", "INFERENCE_PORT"),
        ("inference.http.tcp_proxy", "INFERENCE_HOST", "INFERENCE_PORT"),
        ("updater", "STATUS_HOST", "UPDATER_PORT"),
        ("worker", "STATUS_HOST", "WORKER_PORT"),
    ],
)
def test_a_process_that_cannot_listen_ends_at_once_with_exit_code_two(
    process: str, host: str, port: str, taken: int, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"worker": [{"topicId": 1}]}')
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    for variables, said in (
        ({port: str(taken)}, f"cannot listen on 127.0.0.1:{taken}"),
        ({host: "192.0.2.1"}, f"{host}: '192.0.2.1'"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", process],
            check=False,
            cwd=tmp_path,
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert said in done.stderr
    assert Settings.model_fields[host.lower()].default == "127.0.0.1"
