"""Clients that say nothing, do not close, never finish or read slowly hold nobody up."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from inference.http.limits import MAX_REQUEST_SECONDS
from inference.routes.dashboard_library import LIBRARY_PATH, Library
from tests.support.inference_server import Server, make_node, serve


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of these tests, which leave it as it was."""
    for node in make_node(tmp_path_factory.mktemp("shared")):
        yield from serve(node)


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_clients_that_say_nothing_hold_nobody_up(shared_server: Server) -> None:
    """gunicorn alone would wait for five seconds, eight clients at a time: longer than `get` does."""
    silent = [connect(shared_server) for _ in range(40)]
    assert shared_server.get("/inference/BTC")[0] == 200
    for client in silent:
        client.close()


def test_clients_that_do_not_close_hold_nobody_up(shared_server: Server) -> None:
    """gunicorn alone would wait for two seconds, five times."""
    lingering = [connect(shared_server) for _ in range(5)]
    for client in lingering:
        client.sendall(b"GET /inference/BTC HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(1024).startswith(b"HTTP/1.1 200")
    assert shared_server.get("/inference/BTC")[0] == 200
    for client in lingering:
        client.close()


def test_clients_that_never_finish_their_request_are_cut_off(shared_server: Server) -> None:
    half = [connect(shared_server) for _ in range(9)]
    for client in half:
        client.sendall(b"GET /inference/BTC HTTP/1.1\r\nHost: x\r\n")
    shared_server.wait_for(lambda: shared_server.get("/inference/BTC")[0] == 200)
    for client in half:
        assert client.recv(1024) == b""
        client.close()


def test_slow_readers_of_the_large_file_are_given_time_but_not_every_thread(shared_server: Server) -> None:
    request = f"GET {LIBRARY_PATH} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n".encode()
    slow = []
    try:
        for _ in range(2):
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(10)
            reader.connect(("127.0.0.1", shared_server.port))
            reader.sendall(request)
            assert reader.recv(12) == b"HTTP/1.1 200"
            slow.append(reader)
        status, body = shared_server.get(request.decode().split()[1])
        assert (status, json.loads(body)["error"]["code"]) == (503, "busy")
        time.sleep(MAX_REQUEST_SECONDS + 1.5)
        assert shared_server.get("/inference/BTC")[0] == 200
        received = 0
        while part := slow[0].recv(1 << 20):
            received += len(part)
        assert received > Library().path.stat().st_size
    finally:
        for reader in slow:
            reader.close()
    shared_server.wait_for(lambda: shared_server.get(request.decode().split()[1])[0] == 200)
