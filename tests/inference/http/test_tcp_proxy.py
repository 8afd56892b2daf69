"""The published port of a service that has no way out: bytes pass both ways, and nothing else does."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from inference.http import tcp_proxy
from inference.http.tcp_proxy import TcpProxy
from tests.support.ports import free_port
from tests.worker.conftest import wait_until


class Running:
    """A proxy on a thread of its own."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._proxy = TcpProxy("127.0.0.1", 0, target)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        while not self._proxy.port:
            time.sleep(0.01)
        self.port = self._proxy.port
        self.url = f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._proxy.serve(self._stop))

    def takes_on(self) -> bool:
        """Whether a request gets an answer."""
        try:
            return requests.get(self.url, timeout=5).ok
        except requests.ConnectionError:
            return False

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture
def httpserver() -> Iterator[HTTPServer]:
    """One that answers several callers at a time, as inference does."""
    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture
def running(httpserver: HTTPServer) -> Iterator[Running]:
    running = Running((httpserver.host, httpserver.port))
    yield running
    running.end()


def test_a_request_and_its_answer_pass_unchanged(running: Running, httpserver: HTTPServer) -> None:
    body = bytes(range(256)) * 4096
    httpserver.expect_request("/echo", method="POST").respond_with_handler(lambda request: Response(request.data))
    with requests.Session() as session:
        for _ in range(3):
            assert session.post(f"{running.url}/echo", data=body).content == body


def test_a_caller_who_has_said_everything_still_gets_the_answer(running: Running, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/inference/ETH").respond_with_data("2500.5")
    with socket.create_connection(("127.0.0.1", running.port)) as caller:
        caller.sendall(b"GET /inference/ETH HTTP/1.0\r\n\r\n")
        caller.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: caller.recv(4096), b""))
    assert answer.endswith(b"2500.5")


def test_a_slow_caller_delays_nobody(running: Running, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("here")
    with socket.create_connection(("127.0.0.1", running.port)) as slow:
        slow.sendall(b"GET / HT")
        assert requests.get(running.url, timeout=5).text == "here"


def test_a_caller_is_hung_up_on_while_there_is_no_service_and_served_once_there_is() -> None:
    port = free_port()
    running = Running(("127.0.0.1", port))
    try:
        with pytest.raises(requests.ConnectionError):
            requests.get(running.url, timeout=5)
        with HTTPServer(port=port) as service:
            service.expect_request("/").respond_with_data("back")
            assert requests.get(running.url, timeout=5).text == "back"
    finally:
        running.end()


def test_connections_beyond_the_most_are_refused_and_room_is_made_again(
    running: Running, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp_proxy, "MAX_CONNECTIONS", 1)
    entered, leave = threading.Event(), threading.Event()

    def wait(_: Request) -> Response:
        entered.set()
        leave.wait(10)
        return Response("done")

    httpserver.expect_request("/").respond_with_handler(wait)
    first = threading.Thread(target=requests.get, args=(running.url,))
    first.start()
    assert entered.wait(10)
    with pytest.raises(requests.ConnectionError):
        requests.get(running.url, timeout=5)
    leave.set()
    first.join(10)
    wait_until(running.takes_on)


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"])
def test_callers_who_wait_for_nothing_make_room_for_one_who_asks(
    running: Running, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(tcp_proxy, "MAX_CONNECTIONS", 5)
    httpserver.expect_request("/").respond_with_data("here")
    silent = []
    try:
        for _ in range(20):
            silent.append(socket.create_connection(("127.0.0.1", running.port), timeout=10))
            silent[-1].sendall(said)
            assert not said or silent[-1].recv(4096)
        assert requests.get(running.url, timeout=5).text == "here"
    finally:
        for caller in silent:
            caller.close()


@pytest.mark.parametrize(("descriptors", "most"), [(256, 112), (1024, 496), (20_000, 500), (40, 4)])
def test_callers_are_never_more_than_descriptors_allow(descriptors: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_proxy.resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert tcp_proxy.max_connections() == most
