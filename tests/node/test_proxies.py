"""Proxies of the environment: what is asked through one, and that this machine never is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from node.proxies import keep_loopback_direct, named, proxy_of

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "0.0.0.0", "LOCALHOST", "node.localhost", "exchange"]
)
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_this_machine_and_containers_beside_it_are_never_asked_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://proxy:3128")
    assert proxy_of(f"http://{host}:8000/health/live") is None


@pytest.mark.parametrize(
    ("url", "no_proxy", "expected"),
    [
        ("https://api.binance.com/api", "", "http://secure:1"),
        ("http://api.binance.com/api", "", "http://user:word@plain:1"),
        ("https://api.binance.com/api", "api.binance.com", None),
        ("https://api.binance.com/api", ".binance.com", None),
        ("https://api.binance.com/api", "kraken.com", "http://secure:1"),
        ("https://10.1.2.3/", "10.0.0.0/8", None),
        ("https://11.1.2.3/", "10.0.0.0/8", "http://secure:1"),
        ("https://api.binance.com/api", "*", None),
    ],
)
def test_everybody_else_is_asked_as_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, url: str, no_proxy: str, expected: str | None
) -> None:
    monkeypatch.setenv("https_proxy", "secure:1")
    monkeypatch.setenv("http_proxy", "http://user:word@plain:1")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert proxy_of(url) == expected


def test_a_proxy_is_named_without_its_password() -> None:
    assert named("http://user:word@proxy:3128") == "http://proxy:3128"
    assert named("http://user:wo@rd@proxy:3128/") == "http://proxy:3128/"


def test_other_libraries_are_told_not_to_ask_this_machine_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "example.org")
    monkeypatch.setenv("NO_PROXY", "")
    keep_loopback_direct()
    keep_loopback_direct()
    assert os.environ["no_proxy"] == "example.org,localhost,127.0.0.1,::1"
    assert os.environ["NO_PROXY"] == "localhost,127.0.0.1,::1"


@pytest.fixture
def live_port() -> Iterator[int]:
    class Live(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Live)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_the_health_probe_reaches_its_process_though_the_container_has_a_proxy(live_port: int) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        environment = os.environ | dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), proxy)
        command = [sys.executable, "-m", "node.probe", str(live_port)]
        assert subprocess.run(command, env=environment, check=False, timeout=60).returncode == 0


def test_status_and_check_reach_the_nodes_processes_though_there_is_a_proxy(
    monkeypatch: pytest.MonkeyPatch, live_port: int
) -> None:
    from cli.process_api import ask  # noqa: PLC0415 -- the command belongs to another room

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ask(f"http://127.0.0.1:{live_port}/", 5) == (200, "")
