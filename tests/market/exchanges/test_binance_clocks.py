"""Clocks that differ: this machine's, an answer's Date, and the exchange's own time."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import pytest
from structlog.testing import capture_logs

from market.exchanges.binance import BinanceSpot
from node.clock import ManualClock
from node.durations import DAY_MS
from node.errors import (
    BadMarketDataError,
)
from tests.market.exchanges.conftest import HEAD, LAST, STEP, RawServer, fetch
from tests.support.market_candles import MINUTE, NOW_MS, make_candles, wire_rows


def test_a_clock_that_runs_ahead_does_not_take_a_forming_candle_as_closed(
    connect: Callable[..., BinanceSpot], serve: Callable[[Callable[[socket.socket], None]], str]
) -> None:
    rows = wire_rows(make_candles(NOW_MS - 10 * STEP, 10))
    date = formatdate((NOW_MS - 2000) / 1000, usegmt=True)
    body = f"Date: {date}\r\n\r\n{json.dumps(rows)}".encode()
    url = serve(lambda connection: connection.sendall(HEAD + body))
    assert fetch(connect(url))["open_time"].max() == LAST - STEP


@pytest.fixture
def serve_dated() -> Iterator[Callable[..., str]]:
    """Starts servers that say at which time they answer: in the Date of their answers, and at their time route if they have one."""
    servers: list[RawServer] = []

    def start(date_ms: int, time_ms: int | None, more: bytes = b"") -> str:
        rows = json.dumps(wire_rows(make_candles(NOW_MS - 10 * STEP, 11)))
        head = HEAD + f"Date: {formatdate(date_ms / 1000, usegmt=True)}\r\n".encode() + more

        def answer(connection: socket.socket) -> None:
            body = rows if "klines" in server.asked[-1] else "no" if time_ms is None else json.dumps({"serverTime": time_ms})
            connection.sendall(head + b"\r\n" + body.encode())

        server = RawServer(answer)
        servers.append(server)
        return server.url

    yield start
    for server in servers:
        server.close()


def said_of_the_clock(logs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [entry["reason"] for entry in logs if entry["event"] == "this machine's clock is wrong"]


@pytest.mark.parametrize(
    ("ahead", "said"), [(300, ["300 s ahead of the exchange's"]), (-300, ["300 s behind the exchange's"]), (10, []), (-10, [])]
)
def test_a_clock_minutes_off_is_said_and_no_forming_candle_is_taken_as_closed(
    connect: Callable[..., BinanceSpot], serve_dated: Callable[..., str], clock: ManualClock, ahead: int, said: list[str]
) -> None:
    url = serve_dated(NOW_MS, NOW_MS)
    clock.set_ahead(ahead)
    with capture_logs() as logs:
        candles = fetch(connect(url), end=NOW_MS + DAY_MS)
    assert said_of_the_clock(logs) == said
    assert candles["open_time"].max() == min(LAST, MINUTE.last_closed(clock.now_ms()))


@pytest.mark.parametrize("old_s", [60, 600, 86_400, -600])
def test_an_old_date_from_a_cache_is_not_said_to_be_this_machines_clock(
    connect: Callable[..., BinanceSpot], serve_dated: Callable[..., str], old_s: int
) -> None:
    with capture_logs() as logs:
        candles = fetch(connect(serve_dated(NOW_MS - old_s * 1000, NOW_MS)))
    assert said_of_the_clock(logs) == []
    assert candles["open_time"].max() == LAST, "two of three say that it has closed"


@pytest.mark.parametrize("time_ms", [None, NOW_MS - DAY_MS])
def test_where_nothing_agrees_nothing_is_said_and_the_earliest_time_counts(
    connect: Callable[..., BinanceSpot], serve_dated: Callable[..., str], time_ms: int | None
) -> None:
    client = connect(serve_dated(NOW_MS - 5 * STEP, time_ms))
    with capture_logs() as logs, suppress(BadMarketDataError):
        candles = fetch(client)
        assert time_ms is None
        assert candles["open_time"].max() == LAST - 5 * STEP
    assert said_of_the_clock(logs) == []


def test_another_base_is_asked_for_the_time_than_the_one_that_may_be_a_cache(
    connect: Callable[..., BinanceSpot], serve_dated: Callable[..., str]
) -> None:
    old_ms = NOW_MS - 600_000
    with capture_logs() as logs:
        candles = fetch(connect(serve_dated(old_ms, old_ms), serve_dated(NOW_MS, NOW_MS)))
    assert candles["open_time"].max() == LAST
    assert said_of_the_clock(logs) == []


def test_a_cache_that_tells_its_age_is_taken_at_its_word(
    connect: Callable[..., BinanceSpot], serve_dated: Callable[..., str]
) -> None:
    with capture_logs() as logs:
        candles = fetch(connect(serve_dated(NOW_MS - 5 * STEP, NOW_MS - 5 * STEP, b"Age: 300\r\n")))
        assert candles["open_time"].max() == LAST - 5 * STEP
    assert said_of_the_clock(logs) == []
