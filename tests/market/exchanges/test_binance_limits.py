"""Rate limits, bans and refusals of Binance, and what is asked next."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate

import pytest

from market.exchanges.binance import BinanceSpot
from node.clock import ManualClock
from node.durations import DAY_MS
from node.errors import (
    ExchangeRefusedError,
    ExchangeUnreachableError,
    RateLimitedError,
    UnknownSymbolError,
)
from tests.market.exchanges.conftest import LAST, START, STEP, Exchange, fetch
from tests.support.market_candles import MINUTE, NOW_MS

# Refusals and limits


@pytest.mark.parametrize("status", [429, 418])
def test_after_a_rate_limit_nothing_is_sent_before_its_time(
    client: BinanceSpot, exchange: Exchange, clock: ManualClock, status: int
) -> None:
    exchange.answer({"code": -1003, "msg": "Too much request weight used."}, status, {"Retry-After": "30"})
    with pytest.raises(RateLimitedError) as caught:
        fetch(client)
    assert caught.value.retry_after == 30
    exchange.heal()
    clock.advance(29)
    with pytest.raises(RateLimitedError) as caught:
        fetch(client)
    assert caught.value.retry_after == pytest.approx(1)
    assert len(exchange.queries) == 1
    clock.advance(2)
    assert len(fetch(client)) == 10


@pytest.mark.parametrize(
    ("message", "headers", "expected"),
    [
        (f"IP banned until {NOW_MS + 90_000}. Please use WebSocket Streams.", {}, 90),
        ("IP banned.", {}, 120),
        (f"IP banned until {NOW_MS - 90_000}.", {}, 1),
        (f"IP banned until {NOW_MS + 400 * DAY_MS}.", {}, 3 * 86_400),
        ("IP banned.", {"Retry-After": "99999999999999"}, 3 * 86_400),
        ("IP banned.", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 120),
    ],
)
def test_the_length_of_a_ban_is_read_and_bounded(
    client: BinanceSpot, exchange: Exchange, message: str, headers: dict[str, str], expected: float
) -> None:
    exchange.answer({"code": -1003, "msg": message}, 418, headers)
    with pytest.raises(RateLimitedError) as caught:
        fetch(client)
    assert caught.value.retry_after == pytest.approx(expected)


def test_a_rate_limit_does_not_turn_to_the_next_base(
    connect: Callable[..., BinanceSpot], exchange: Exchange, second: Exchange
) -> None:
    exchange.answer("", 429)
    with pytest.raises(RateLimitedError):
        fetch(connect(exchange.url, second.url))
    assert second.queries == []


@pytest.mark.parametrize("status", [403, 451])
def test_a_base_that_refuses_us_is_left_alone_for_an_hour(
    connect: Callable[..., BinanceSpot], exchange: Exchange, second: Exchange, clock: ManualClock, status: int
) -> None:
    client = connect(exchange.url, second.url)
    exchange.answer("<html>Forbidden</html>", status)
    for _ in range(3):
        assert len(fetch(client, end=LAST)) == 10
        clock.advance(600)
    assert len(exchange.queries) == 1
    clock.advance(1801)
    fetch(client)
    assert len(exchange.queries) == 2


def test_where_every_base_refuses_us_nothing_more_is_sent(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.answer("no", 451)
    for _ in range(3):
        with pytest.raises(ExchangeRefusedError):
            fetch(client)
    assert len(exchange.queries) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, ""), (501, ""), (502, ""), (503, "<html>"), (504, ""), (200, "<html>"), (302, ""), (404, "")],
)
def test_a_base_that_fails_is_passed_over_and_asked_last_for_a_minute(
    connect: Callable[..., BinanceSpot], exchange: Exchange, second: Exchange, clock: ManualClock, status: int, body: str
) -> None:
    client = connect(exchange.url, second.url)
    exchange.answer(body, status, {"Location": second.url})
    for _ in range(3):
        assert len(fetch(client)) == 10
    assert len(exchange.queries) == 1
    exchange.heal()
    clock.advance(61)
    fetch(client)
    assert len(second.queries) == 3
    assert len(exchange.queries) == 2


def test_the_error_of_all_bases_names_each(connect: Callable[..., BinanceSpot], exchange: Exchange, second: Exchange) -> None:
    exchange.answer("", 403)
    second.answer("", 502)
    with pytest.raises(ExchangeUnreachableError, match=r"answered 403; .* answered 502"):
        fetch(connect(exchange.url, second.url))


def test_nobody_listening_is_unreachable(connect: Callable[..., BinanceSpot]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ExchangeUnreachableError, match="no connection"):
            fetch(connect(f"http://127.0.0.1:{unused.getsockname()[1]}"))


def test_a_name_that_is_not_found_is_unreachable_and_the_next_base_serves(
    connect: Callable[..., BinanceSpot], second: Exchange
) -> None:
    with pytest.raises(ExchangeUnreachableError, match="no connection"):
        fetch(connect("http://no-such-exchange.invalid"))
    assert len(fetch(connect("http://no-such-exchange.invalid", second.url))) == 10


def test_a_server_that_accepts_no_connection_is_left_in_time_for_the_next(
    connect: Callable[..., BinanceSpot], second: Exchange
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as waiting:
        for taken in (first, waiting):
            taken.setblocking(False)
            taken.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with pytest.raises(ExchangeUnreachableError, match="no answer in time"):
            fetch(connect(url, connect_timeout=0.3))
        assert len(fetch(connect(url, second.url, connect_timeout=0.3))) == 10


def test_an_unknown_pair_is_the_topics_fault(connect: Callable[..., BinanceSpot], exchange: Exchange, second: Exchange) -> None:
    exchange.answer({"code": -1121, "msg": "Invalid symbol."}, 400)
    with pytest.raises(UnknownSymbolError, match="BTCUSDT"):
        fetch(connect(exchange.url, second.url))
    assert second.queries == []


@pytest.mark.parametrize("symbol", ["", "btcusdt", "BTC/USDT", "B" * 21, "BTCUSDT&limit=1", "ＢＴＣ"])
def test_what_cannot_be_a_pair_is_not_even_asked_for(client: BinanceSpot, exchange: Exchange, symbol: str) -> None:
    with pytest.raises(UnknownSymbolError):
        client.candles(symbol, MINUTE, START, LAST)
    assert exchange.queries == []


def test_near_the_weight_limit_the_client_waits_for_the_next_minute(
    client: BinanceSpot, exchange: Exchange, clock: ManualClock
) -> None:
    clock.advance(50)
    exchange.headers["X-MBX-USED-WEIGHT-1M"] = "5900"
    fetch(client)
    assert client.status().used_weight == 5900
    before = clock.now_ms()
    fetch(client)
    assert clock.now_ms() - before == 10_000
    exchange.headers["X-MBX-USED-WEIGHT-1M"] = "2"
    fetch(client)
    fetch(client)
    assert client.status().used_weight == 2


DAY_S = 86_400


@pytest.mark.parametrize("ahead", [DAY_S, 731 * DAY_S, -DAY_S])
@pytest.mark.parametrize(("status", "rest"), [(429, 60), (403, 3600), (451, 3600), (500, 60)])
def test_a_pause_that_began_while_the_clock_was_wrong_is_as_long_as_any(
    connect: Callable[..., BinanceSpot],
    exchange: Exchange,
    second: Exchange,
    clock: ManualClock,
    status: int,
    rest: float,
    ahead: float,
) -> None:
    client = connect(exchange.url, *([] if status == 429 else [second.url]))
    exchange.answer("no", status)
    clock.set_ahead(ahead)
    with suppress(RateLimitedError):
        fetch(client, START, START + STEP)
    clock.set_ahead(-ahead)
    asked = len(exchange.queries)
    exchange.heal()
    clock.advance(rest - 1)
    with suppress(RateLimitedError):
        fetch(client, START, START + STEP)
    assert len(exchange.queries) == asked, "nor is it any shorter"
    clock.advance(1)
    fetch(client, START, START + STEP)
    assert len(exchange.queries) == asked + 1


@pytest.mark.parametrize("ahead", [DAY_S, -DAY_S])
def test_a_ban_until_some_moment_ends_then_though_the_clock_is_a_day_off(
    connect: Callable[..., BinanceSpot],
    serve: Callable[[Callable[[socket.socket], None]], str],
    clock: ManualClock,
    ahead: int,
) -> None:
    date = formatdate(NOW_MS / 1000, usegmt=True)
    body = json.dumps({"code": -1003, "msg": f"IP banned until {NOW_MS + 300_000}."})
    answer = f"HTTP/1.1 418 Teapot\r\nDate: {date}\r\n\r\n{body}".encode()
    client = connect(serve(lambda connection: connection.sendall(answer)))
    clock.set_ahead(ahead)
    with pytest.raises(RateLimitedError) as caught:
        fetch(client, START, START + STEP)
    assert caught.value.retry_after == pytest.approx(300)


def test_a_rate_limit_without_a_time_is_kept_for_a_minute(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.answer({"code": -1003, "msg": "Too many requests."}, 429)
    with pytest.raises(RateLimitedError) as caught:
        fetch(client)
    assert caught.value.retry_after == 60
