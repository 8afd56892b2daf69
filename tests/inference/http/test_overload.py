"""When more is asked than can be answered, what waited too long is told to come back, and numbers and health never are."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from inference.http.limits import MAX_REQUEST_SECONDS, MAX_WAIT_SECONDS
from inference.http.server import THREADS
from tests.support.http_clients import Clients
from tests.support.inference_server import Server, make_node, serve, until_done
from tests.support.ports import free_port

EVERYTHING_ELSE = ["/candles/BTC"] * 84
NEVER_TURNED_AWAY = ["/inference/BTC"] * 10 + ["/health/live", "/health/ready", "/metrics"] * 2
TAKEN_SECONDS = MAX_WAIT_SECONDS + 0.7
"""How long the threads are kept: longer than a request may wait, and not so long that they are cut off."""


@pytest.fixture(scope="module")
def slow_server() -> Iterator[Server]:
    """The server that inference runs in, over an application whose answers take as long as they are asked to."""
    port = free_port()
    yield from until_done(Server([sys.executable, "-m", "tests.support.slow_service", str(port)], port, {}))


def connect(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)


def test_when_every_thread_is_taken_what_waits_too_long_is_told_to_come_back_but_not_numbers_and_health(
    slow_server: Server,
) -> None:
    assert TAKEN_SECONDS < MAX_REQUEST_SECONDS
    with ExitStack() as open_connections:

        def ask(path: str) -> http.client.HTTPConnection:
            connection = open_connections.enter_context(closing(connect(slow_server)))
            connection.request("GET", path)
            return connection

        for _ in range(THREADS):
            ask(f"/slow?{TAKEN_SECONDS}")
        time.sleep(0.2)
        waiting = {path: ask(path) for path in ("/candles/BTC", "/inference/BTC", "/health/live", "/health/ready", "/metrics")}
        answers = {path: connection.getresponse() for path, connection in waiting.items()}
        refused = answers.pop("/candles/BTC")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert json.loads(refused.read())["error"]["code"] == "busy"
        assert {path: (answer.status, answer.read().decode()) for path, answer in answers.items()} == {
            path: (200, path) for path in answers
        }
        assert slow_server.get("/candles/BTC") == (200, "/candles/BTC")


def test_what_waits_for_a_thread_but_not_too_long_is_answered(slow_server: Server) -> None:
    with ExitStack() as open_connections:
        for _ in range(THREADS):
            open_connections.enter_context(closing(connect(slow_server))).request("GET", f"/slow?{MAX_WAIT_SECONDS / 3}")
        assert slow_server.get("/candles/BTC") == (200, "/candles/BTC")


def test_a_connection_that_has_been_answered_has_no_deadline_any_more(slow_server: Server) -> None:
    with closing(connect(slow_server)) as connection:
        for pause in (0, MAX_REQUEST_SECONDS + 0.5):
            time.sleep(pause)
            connection.request("GET", "/topics")
            assert connection.getresponse().read() == b"/topics"
            assert connection.sock is not None


def test_a_request_that_was_under_way_while_the_process_stood_still_is_not_cut_off(slow_server: Server) -> None:
    (worker,) = slow_server.children()
    with socket.create_connection(("127.0.0.1", slow_server.port), timeout=10) as client:
        client.sendall(b"GET /topics HTTP/1.1\r\nHost: node\r\n")
        time.sleep(0.2)
        os.kill(worker, signal.SIGSTOP)
        try:
            time.sleep(MAX_REQUEST_SECONDS + 0.5)
        finally:
            os.kill(worker, signal.SIGCONT)
        time.sleep(0.2)
        client.sendall(b"\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    for node in make_node(tmp_path):
        yield from serve(node)


def test_after_a_standstill_some_are_told_to_come_back_but_nobody_who_asks_for_numbers_and_nobody_is_cut_off(
    server: Server,
) -> None:
    (worker,) = server.children()
    with Clients(server.port, EVERYTHING_ELSE) as others, Clients(server.port, NEVER_TURNED_AWAY) as never:
        os.kill(worker, signal.SIGSTOP)
        try:
            time.sleep(MAX_REQUEST_SECONDS + 0.5)
        finally:
            os.kill(worker, signal.SIGCONT)
        # Every client has its answer to what it asked before or meanwhile.
        others.wait_for(others.answered + 2 * len(EVERYTHING_ELSE))
        never.wait_for(never.answered + 2 * len(NEVER_TURNED_AWAY))
    assert set(others.outcome.refused) == {"busy"}
    assert not others.outcome.failed
    assert not never.outcome.refused
    assert not never.outcome.failed
    # What the clients left behind may still be in front.
    server.wait_for(lambda: server.get("/candles/BTC")[0] == 200)
    assert server.children() == [worker]
