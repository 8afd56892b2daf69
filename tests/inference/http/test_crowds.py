"""More clients than inference may have descriptors: it lives, and whoever asks for a number gets it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.http.limits import RESERVED_DESCRIPTORS
from tests.support.inference_server import Server, make_node, serve

DESCRIPTORS = 256
CROWD = 400
NUMBER = b"GET /inference/BTC HTTP/1.1\r\nHost: node\r\n"
CROWDS = {
    "say nothing": b"",
    "say half of a request": NUMBER,
    "never send the body": b"POST /topics HTTP/1.1\r\nHost: node\r\nContent-Length: 1000\r\n\r\n",
    "have their answer and do not close": NUMBER + b"Connection: close\r\n\r\n",
    "have their answer and keep the connection": NUMBER + b"\r\n",
    "ask for what they do not read": b"GET /candles/BTC HTTP/1.1\r\nHost: node\r\n\r\n" * 3,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Inference that may have few descriptors."""
    for node in make_node(tmp_path_factory.mktemp("crowded")):
        yield from serve(node, "prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")


@pytest.mark.parametrize("said", CROWDS.values(), ids=[name.replace(" ", "-") for name in CROWDS])
def test_a_crowd_that_takes_every_descriptor_keeps_nobody_from_a_number(server: Server, said: bytes) -> None:
    assert CROWD > DESCRIPTORS - RESERVED_DESCRIPTORS
    (worker,) = server.children()
    crowd = []
    try:
        for _ in range(CROWD):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            crowd.append(client)
            client.sendall(said)
        for _ in range(3):
            assert server.get("/inference/BTC", seconds=5) == (200, "64000.5")
        held = len(list(Path(f"/proc/{worker}/fd").iterdir()))
        assert held < DESCRIPTORS
        assert server.children() == [worker]
    finally:
        for client in crowd:
            client.close()


def test_who_has_just_come_is_heard_though_the_silent_ones_were_there_before(server: Server) -> None:
    crowd = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(CROWD)]
    try:
        time.sleep(0.5)
        crowd[-1].sendall(NUMBER + b"\r\n")
        assert crowd[-1].recv(4096).startswith(b"HTTP/1.1 200")
        assert crowd[0].recv(1) == b"", "the first to come made room"
    finally:
        for client in crowd:
            client.close()


def test_proxies_may_say_of_their_callers_what_they_like(server: Server) -> None:
    contradictions = b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\nX-Forwarded-Protocol: ssl\r\nSCRIPT_NAME: /elsewhere\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(NUMBER + contradictions + b"Connection: close\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
