"""Servers that break off, never end, or send too much."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from market.bounded_http import MAX_BODY_BYTES
from market.exchanges.binance import BinanceSpot
from node.clock import ManualClock
from node.errors import (
    ExchangeUnreachableError,
)
from tests.market.exchanges.conftest import HEAD, Exchange, drip, fetch, reset

# Servers that will not end


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(lambda connection: drip(connection, HEAD + b"Content-Length: 100000\r\n\r\n", b" "), id="body"),
        pytest.param(lambda connection: drip(connection, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), id="chunks"),
        pytest.param(lambda connection: drip(connection, HEAD, b"X: y\r\n"), id="headers"),
        pytest.param(lambda connection: drip(connection, HEAD + b"X: ", b"y"), id="one endless header"),
        pytest.param(lambda connection: time.sleep(1.5), id="silence"),
    ],
)
def test_a_server_that_never_ends_is_left_in_time_for_the_next(
    connect: Callable[..., BinanceSpot],
    serve: Callable[[Callable[[socket.socket], None]], str],
    second: Exchange,
    script: Callable[[socket.socket], None],
) -> None:
    client = connect(serve(script), second.url, connect_timeout=1, read_timeout=0.5, total_timeout=1)
    assert len(fetch(client)) == 10


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(lambda connection: connection.sendall(HEAD + b"Content-Length: 5000\r\n\r\n[[1,"), "Read", id="cut off"),
        pytest.param(lambda connection: reset(connection, HEAD + b"Content-Length: 5000\r\n\r\n[[1,"), "reset", id="reset"),
        pytest.param(lambda connection: None, "no connection", id="closed at once"),
        pytest.param(lambda connection: connection.sendall(b"SSH-2.0-x\r\n"), "no connection", id="not HTTP"),
        pytest.param(
            lambda connection: connection.sendall(HEAD + b"\r\n" + b" " * (MAX_BODY_BYTES + 1)), "longer than", id="too long"
        ),
    ],
)
def test_an_answer_that_is_cut_off_or_too_long_is_unreachable(
    connect: Callable[..., BinanceSpot],
    serve: Callable[[Callable[[socket.socket], None]], str],
    script: Callable[[socket.socket], None],
    expected: str,
) -> None:
    with pytest.raises(ExchangeUnreachableError, match=expected):
        fetch(connect(serve(script), connect_timeout=1, read_timeout=2, total_timeout=5))


def test_no_base_at_all_is_refused(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="at least one"):
        BinanceSpot([], clock)
