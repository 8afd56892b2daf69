"""When more is asked than can be answered, what waited too long is told to come back, and numbers and health never are."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn, ThreadWorker

from inference.http import gunicorn_worker as http_worker
from inference.http.gunicorn_worker import LONGEST_REQUEST_SECONDS, LONGEST_ROUND_SECONDS, LONGEST_WAIT_SECONDS, HttpWorker
from tests.inference.http.test_server import Server, make_node, serve
from tests.support.http_clients import Clients

EVERYTHING_ELSE = ["/candles/BTC"] * 84
NEVER_TURNED_AWAY = ["/inference/BTC"] * 10 + ["/health/live", "/health/ready", "/metrics"] * 2


class Overloaded:
    """A worker whose threads are taken: what is put to them waits as long as the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.answered: list[str] = []
        monkeypatch.setattr(http_worker.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(ThreadWorker, "enqueue_req", lambda *_: None)
        monkeypatch.setattr(ThreadWorker, "handle", self._handle)
        monkeypatch.setattr(ThreadWorker, "handle_request", lambda _, request, __: self.answered.append(request.path) or True)
        monkeypatch.setattr(ThreadWorker, "finish_request", lambda *_: None)
        self.worker = HttpWorker(0, 0, [], SimpleNamespace(), 30, Config(), None)

    def _handle(self, connection: TConn) -> Any:
        return self.worker.handle_request(SimpleNamespace(path=self._path), connection)

    def ask(self, path: str, connection: TConn, waiting: float) -> bool:
        """Whether the connection stays open."""
        self._path = path
        connection.data_ready = True
        self.worker.enqueue_req(connection)
        self.now += waiting
        done: Future[bool] = Future()
        done.set_result(bool(self.worker.handle(connection)))
        if done.result():
            self.worker.finish_request(connection, done)
        return done.result()


@pytest.fixture
def overloaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Overloaded]:
    overloaded = Overloaded(monkeypatch)
    yield overloaded
    overloaded.worker.tmp.close()


def test_what_waited_too_long_is_told_to_come_back_and_answered_when_it_does(overloaded: Overloaded) -> None:
    here, there = socket.socketpair()
    with here, there:
        connection = TConn(Config(), here, ("127.0.0.1", 1), ("127.0.0.1", 2))
        assert not overloaded.ask("/candles/BTC", connection, LONGEST_WAIT_SECONDS + 0.1)
        head, _, body = there.recv(4096).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 1" in head
        assert json.loads(body)["error"]["code"] == "busy"
        assert overloaded.answered == []
        assert overloaded.ask("/candles/BTC", connection, LONGEST_WAIT_SECONDS - 0.1)
        assert overloaded.answered == ["/candles/BTC"]


@pytest.mark.parametrize("path", ["/inference/BTC", "/health/live", "/health/ready", "/metrics"])
def test_numbers_and_health_are_never_turned_away(overloaded: Overloaded, path: str) -> None:
    here, there = socket.socketpair()
    with here, there:
        connection = TConn(Config(), here, ("127.0.0.1", 1), ("127.0.0.1", 2))
        assert overloaded.ask(path, connection, 100 * LONGEST_WAIT_SECONDS)
        assert overloaded.answered == [path]


def test_nothing_is_remembered_of_a_connection_that_has_been_answered(overloaded: Overloaded) -> None:
    here, there = socket.socketpair()
    with here, there:
        overloaded.ask("/topics", TConn(Config(), here, ("127.0.0.1", 1), ("127.0.0.1", 2)), 0.0)
    assert not overloaded.worker._waits
    assert not overloaded.worker._deadlines


@pytest.mark.parametrize(
    ("stood_still", "reading", "stays"), [(0.0, 1.9, True), (0.0, 2.1, False), (2.1, 0.1, True), (2.1, 2.1, False)]
)
def test_a_client_is_not_cut_off_for_the_time_in_which_this_process_stood_still(
    overloaded: Overloaded, stood_still: float, reading: float, stays: bool
) -> None:
    assert LONGEST_REQUEST_SECONDS == 2.0
    here, there = socket.socketpair()
    with here, there:
        worker = overloaded.worker
        worker.murder_pending()
        worker._deadlines[TConn(Config(), here, ("127.0.0.1", 1), ("127.0.0.1", 2))] = overloaded.now + LONGEST_REQUEST_SECONDS
        there.settimeout(0)
        for step in (stood_still + LONGEST_ROUND_SECONDS, *[0.1] * round(10 * (reading - LONGEST_ROUND_SECONDS))):
            overloaded.now += step
            worker.murder_pending()
        try:
            assert there.recv(1) == b""
            assert not stays
        except BlockingIOError:
            assert stays


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
            time.sleep(LONGEST_REQUEST_SECONDS + 0.5)
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
