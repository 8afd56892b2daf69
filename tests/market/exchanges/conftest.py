"""Binance on loopback, well-behaved and otherwise, and clients of it."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from market.exchanges.binance import BinanceSpot
from node.clock import ManualClock
from tests.support.market_candles import MINUTE, NOW_MS, make_candles, wire_rows

STEP = MINUTE.ms
START = NOW_MS - 2500 * STEP
LAST = NOW_MS - STEP

REAL_ROW = [
    1736121600000, "709.29000000", "709.97000000", "709.03000000", "709.09000000", "862.83700000", 1736122499999,
    "612226.05016000", 3458, "436.59600000", "309804.01515000", "0",
]  # fmt: skip


class Exchange:
    """A server that holds candles up to and beyond now and answers klines as Binance does."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.held = make_candles(START, 2505)
        self.queries: list[dict[str, str]] = []
        self.headers: dict[str, str] = {}
        server.expect_request("/api/v3/klines").respond_with_handler(self._klines)

    @property
    def url(self) -> str:
        return self.server.url_for("").rstrip("/")

    def _klines(self, request: Request) -> Response:
        self.queries.append(dict(request.args))
        start, end, limit = (int(request.args[name]) for name in ("startTime", "endTime", "limit"))
        rows = wire_rows(self.held[self.held["open_time"].between(start, end)][:limit])
        return Response(json.dumps(rows), headers=self.headers, content_type="application/json")

    def answer(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer the next request, and all after it, with this instead."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.server.clear()

        def respond(request: Request) -> Response:
            self.queries.append(dict(request.args))
            return Response(text, status=status, headers=headers)

        self.server.expect_request("/api/v3/klines").respond_with_handler(respond)

    def heal(self) -> None:
        self.server.clear()
        self.server.expect_request("/api/v3/klines").respond_with_handler(self._klines)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[HTTPServer, HTTPServer]]:
    with HTTPServer() as first, HTTPServer() as second:
        yield first, second


@pytest.fixture
def exchange(servers: tuple[HTTPServer, HTTPServer]) -> Iterator[Exchange]:
    yield Exchange(servers[0])
    servers[0].clear()


@pytest.fixture
def second(servers: tuple[HTTPServer, HTTPServer]) -> Iterator[Exchange]:
    yield Exchange(servers[1])
    servers[1].clear()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
def connect(clock: ManualClock) -> Iterator[Callable[..., BinanceSpot]]:
    clients: list[BinanceSpot] = []

    def make(*bases: str, **timeouts: float) -> BinanceSpot:
        clients.append(BinanceSpot(bases, clock, **timeouts))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[..., BinanceSpot], exchange: Exchange) -> BinanceSpot:
    return connect(exchange.url)


def fetch(client: BinanceSpot, start: int = NOW_MS - 10 * STEP, end: int = NOW_MS) -> pd.DataFrame:
    return client.candles("BTCUSDT", MINUTE, start, end)


class RawServer:
    """Sends each connection the bytes of a script and notes that it came."""

    def __init__(self, script: Callable[[socket.socket], None]) -> None:
        self._script = script
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.asked.append(connection.recv(65_536).decode().split(" ")[1])
                    self._script(connection)
                except OSError:
                    pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=10)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    servers: list[RawServer] = []

    def start(script: Callable[[socket.socket], None]) -> str:
        servers.append(RawServer(script))
        return servers[-1].url

    yield start
    for server in servers:
        server.close()


def drip(connection: socket.socket, first: bytes, again: bytes) -> None:
    """Longer than the test may take: it ends when the client leaves."""
    connection.sendall(first)
    for _ in range(3000):
        connection.sendall(again)
        time.sleep(0.02)


def reset(connection: socket.socket, first: bytes) -> None:
    """Lingering for zero seconds makes the close a reset."""
    connection.sendall(first)
    time.sleep(0.1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
