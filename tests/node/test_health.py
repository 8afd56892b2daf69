"""The status ports of updater and worker answer whoever asks, however many others there are and whatever is broken."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from sqlalchemy.exc import DatabaseError

from node.errors import NodeError
from node.health import MAX_CONNECTIONS, Check, StatusServer
from node.probe import main as probe


class Broken(Collector):
    """Cannot be read, like a damaged database."""

    def describe(self) -> Iterator[object]:  # type: ignore[override]
        return iter(())

    def collect(self) -> Iterator[object]:  # type: ignore[override]
        raise DatabaseError("SELECT", {}, Exception("database disk image is malformed"))


class Port:
    """A status server whose checks are what the test says."""

    def __init__(self) -> None:
        self.ended = ""
        self.trouble: Exception | None = None
        self.registry = CollectorRegistry()
        self.server = StatusServer("127.0.0.1", 0, self._checks, self.registry, lambda: self.ended)
        self.server.start()

    def _checks(self) -> Sequence[Check]:
        if self.trouble is not None:
            raise self.trouble
        return [Check("exchange", True)]

    def ask(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


@pytest.fixture
def port() -> Iterator[Port]:
    port = Port()
    yield port
    port.server.stop()


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
def test_a_query_and_head_change_nothing_but_what_is_sent(port: Port, path: str) -> None:
    status, headers, body = port.ask(path)
    assert status == 200
    assert port.ask(f"{path}?time=1")[0] == 200
    assert port.ask(path, "HEAD") == (200, headers | {"Date": port.ask(path, "HEAD")[1]["Date"]}, b"")
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "NONSENSE"])
def test_other_methods_are_refused_in_the_one_form(port: Port, method: str) -> None:
    status, headers, body = port.ask("/metrics", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert json.loads(body)["error"]["code"] == "method_not_allowed"


def test_what_is_no_http_is_refused_in_the_one_form(port: Port) -> None:
    with socket.create_connection(("127.0.0.1", port.server.port), timeout=10) as client:
        client.sendall(b"GET / what HTTP/1.1\r\n\r\n")
        head, _, body = b"".join(iter(lambda: client.recv(4096), b"")).partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert json.loads(body)["error"]["code"] == "bad_request"


@pytest.mark.parametrize("trouble", [DatabaseError("SELECT", {}, Exception("malformed")), NodeError("damaged"), ValueError("?")])
def test_health_that_cannot_be_told_is_an_error_in_the_one_form(port: Port, trouble: Exception) -> None:
    port.trouble = trouble
    status, _, body = port.ask("/health/ready")
    assert status == 503
    assert set(json.loads(body)["error"]) == {"code", "message", "hint"}
    assert port.ask("/health/live")[0] == 200


def test_metrics_that_cannot_be_read_are_an_error_in_the_one_form(port: Port) -> None:
    port.registry.register(Broken())
    status, _, body = port.ask("/metrics")
    assert status == 503
    assert json.loads(body)["error"]["code"] == "internal_error"


def test_a_loop_that_has_ended_is_no_life(port: Port) -> None:
    assert probe(str(port.server.port)) == 0
    port.ended = "follow, train"
    status, _, body = port.ask("/health/live")
    assert (status, json.loads(body)) == (503, {"status": "a loop has ended: follow, train"})
    assert probe(str(port.server.port)) == 1


@pytest.mark.parametrize("said", [b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: node\r\n"])
def test_a_crowd_that_says_nothing_takes_few_threads_and_keeps_nobody_from_an_answer(port: Port, said: bytes) -> None:
    before = threading.active_count()
    crowd = [socket.create_connection(("127.0.0.1", port.server.port), timeout=10) for _ in range(4 * MAX_CONNECTIONS)]
    try:
        for client in crowd:
            try:
                client.sendall(said)
            except OSError:
                continue  # it has made room already
        assert port.ask("/health/live")[0] == 200
        assert port.ask("/metrics")[0] == 200
        assert len(port.server._server._open) <= MAX_CONNECTIONS
        assert threading.active_count() - before <= 2 * MAX_CONNECTIONS
    finally:
        for client in crowd:
            client.close()
