"""The Binance client against real HTTP on loopback, well-behaved and otherwise."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import pandas as pd
import pytest
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs
from werkzeug import Request, Response

from market.bounded_http import LARGEST_BODY
from market.candle_store import CandleStore
from market.candles import check_candles
from market.exchanges.binance import BinanceSpot
from market.exchanges.exchange import bad_rows
from market.refresh import refresh
from node.clock import ManualClock
from node.durations import DAY_MS, HOUR_MS, Interval
from node.errors import (
    BadMarketDataError,
    ExchangeRefusedError,
    ExchangeUnreachableError,
    RateLimitedError,
    UnknownSymbolError,
)
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


# What a good answer becomes


def test_a_row_of_the_wire_becomes_a_candle(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.answer([REAL_ROW])
    candles = client.candles("BNBUSDT", Interval.QUARTER, 1736121600000, 1736121600000)
    assert candles.values.tolist() == [
        [1736121600000, 709.29, 709.97, 709.03, 709.09, 862.837, 612226.05016, 3458, 436.596, 309804.01515]
    ]
    assert exchange.queries == [
        {"symbol": "BNBUSDT", "interval": "15m", "startTime": "1736121600000", "endTime": "1736121600000", "limit": "1000"}
    ]


def test_more_than_a_page_is_fetched_in_pages_without_gap_or_repetition(client: BinanceSpot, exchange: Exchange) -> None:
    candles = fetch(client, START)
    pd.testing.assert_frame_equal(candles, exchange.held[:2500])
    assert len(exchange.queries) == 3


def test_an_unfinished_candle_is_never_returned(client: BinanceSpot, exchange: Exchange, clock: ManualClock) -> None:
    clock.advance(59.999)
    exchange.answer(wire_rows(exchange.held[-15:]))
    assert fetch(client, end=NOW_MS + DAY_MS)["open_time"].max() == LAST
    clock.advance(0.001)
    assert fetch(client, end=NOW_MS + DAY_MS)["open_time"].max() == NOW_MS


def test_where_the_exchange_has_nothing_the_frame_is_empty(client: BinanceSpot) -> None:
    assert fetch(client, 0, START - 1).empty


def test_a_span_that_has_not_begun_is_not_asked_for(client: BinanceSpot, exchange: Exchange) -> None:
    assert fetch(client, NOW_MS, NOW_MS + DAY_MS).empty
    assert exchange.queries == []


def test_volume_without_trades_means_that_the_source_does_not_know_them(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.answer([[*row[:7], "0.00000000", 0, "0.00000000", "0.00000000", "0"] for row in wire_rows(exchange.held[-15:-5])])
    candles = fetch(client)
    assert candles[["quote_volume", "trades", "taker_base", "taker_quote"]].isna().all(axis=None)


def test_the_time_of_the_exchange_is_its_own(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.server.expect_request("/api/v3/time").respond_with_json({"serverTime": 1234567890123})
    assert client.time_ms() == 1234567890123
    exchange.server.clear()
    exchange.server.expect_request("/api/v3/time").respond_with_json(["soon"])
    with pytest.raises(BadMarketDataError):
        client.time_ms()


# Bodies that are not what they should be


@pytest.mark.parametrize(
    "body",
    [
        "<html>One moment</html>",
        json.dumps([REAL_ROW])[:60],
        "",
        "{}",
        '{"code": 0, "msg": "fine"}',
        "null",
        "[1, 2, 3]",
        "[[]]",
        json.dumps([REAL_ROW[:6]]),
        json.dumps([[REAL_ROW[0], *["NaN"] * 4, *REAL_ROW[5:]]]),
        json.dumps([REAL_ROW]).replace('"709.29000000"', "NaN"),
        json.dumps([[REAL_ROW[0] * 1000, *REAL_ROW[1:6], REAL_ROW[6] * 1000, *REAL_ROW[7:]]]),
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_body_that_is_no_list_of_candles_is_bad_data(client: BinanceSpot, exchange: Exchange, body: str) -> None:
    exchange.answer(body)
    with pytest.raises(BadMarketDataError):
        client.candles("BNBUSDT", Interval.QUARTER, 1736121600000, 1736121600000)


def spoil_close(row: list[Any], close: str) -> list[Any]:
    return [*row[:4], close, *row[5:]]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row[:11],
        lambda row: spoil_close(row, "NaN"),
        lambda row: spoil_close(row, "0.00000000"),
        lambda row: spoil_close(row, "-100.5"),
        lambda row: spoil_close(row, "much"),
        lambda row: spoil_close(row, "1e400"),
        lambda row: [row[0] + 1, *row[1:]],
        lambda row: [*row[:6], row[6] + HOUR_MS, *row[7:]],
        lambda row: [row[0] + 1000 * STEP, *row[1:6], row[6] + 1000 * STEP, *row[7:]],
        lambda row: [None, *row[1:]],
        lambda _: "row",
    ],
)
def test_a_bad_row_is_left_out_and_counted_and_the_others_stay(
    client: BinanceSpot, exchange: Exchange, spoil: Callable[[list[Any]], Any]
) -> None:
    rows = wire_rows(exchange.held[-15:-5])
    exchange.answer([*rows[:4], spoil(rows[4]), *rows[5:]])
    candles = fetch(client)
    assert len(candles) == 9
    assert bad_rows(candles) == 1
    check_candles(candles, MINUTE, NOW_MS)


@pytest.mark.parametrize("asked", [Interval.FIVE_MINUTES, Interval.QUARTER, Interval.HOUR, Interval.DAY])
@pytest.mark.parametrize("count", [1, 3, 1000])
def test_rows_of_another_interval_are_refused_whole(client: BinanceSpot, exchange: Exchange, asked: Interval, count: int) -> None:
    """Every fifth minute would pass for a candle of five."""
    start = asked.floor(NOW_MS - 2 * DAY_MS)
    exchange.answer(wire_rows(make_candles(start, count)))
    with pytest.raises(BadMarketDataError, match="another interval"):
        client.candles("BTCUSDT", asked, start, NOW_MS)


def test_rows_of_a_longer_interval_are_refused_too(client: BinanceSpot, exchange: Exchange) -> None:
    start = Interval.HOUR.floor(NOW_MS - DAY_MS)
    exchange.answer(wire_rows(make_candles(start, 20, Interval.FIVE_MINUTES), Interval.FIVE_MINUTES))
    with pytest.raises(BadMarketDataError):
        fetch(client, start)


def test_rows_sent_twice_and_out_of_order_are_put_right(client: BinanceSpot, exchange: Exchange) -> None:
    rows = wire_rows(exchange.held[-15:-5])
    exchange.answer([*rows[::-1], *rows])
    candles = fetch(client)
    pd.testing.assert_frame_equal(candles, exchange.held[-15:-5].reset_index(drop=True))
    assert bad_rows(candles) == 0


def test_of_two_rows_that_contradict_each_other_neither_is_taken(client: BinanceSpot, exchange: Exchange) -> None:
    rows = wire_rows(exchange.held[-15:-5])
    exchange.answer([*rows, [rows[4][0], *rows[5][1:6], rows[4][6], *rows[5][7:]]])
    assert rows[4][0] not in fetch(client)["open_time"].tolist()


@pytest.mark.parametrize("factor", [10, 1000])
@pytest.mark.parametrize("spoilt", [["high", "close"], ["open", "high", "low", "close"]])
def test_a_spike_no_market_can_have_had_is_left_out(
    client: BinanceSpot, exchange: Exchange, factor: float, spoilt: list[str]
) -> None:
    exchange.held.loc[2495, spoilt] *= factor
    candles = fetch(client)
    assert candles["high"].max() < 200
    assert bad_rows(candles) == (3 if "open" in spoilt else 2), "its neighbours are not trusted either"


def test_a_spike_in_the_newest_candle_is_no_price(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.held.loc[2499, ["open", "high", "low", "close"]] *= 1000
    assert fetch(client)["open_time"].max() < LAST
    with pytest.raises(BadMarketDataError):
        fetch(client, LAST - STEP)
    exchange.held.loc[2499, ["open", "high", "low", "close"]] /= 1000
    assert fetch(client, LAST - STEP)["open_time"].max() == LAST


def test_a_spike_of_some_minutes_is_never_stored_and_its_end_is_noticed(
    client: BinanceSpot, exchange: Exchange, clock: ManualClock, store: CandleStore
) -> None:
    exchange.held.loc[2500:2502, ["open", "high", "low", "close"]] *= 1000
    newest = []
    for _ in range(6):
        with suppress(BadMarketDataError):
            refresh(store, client, "BTCUSDT", MINUTE, 500 * STEP, clock)
        stored = store.window("BTCUSDT", MINUTE, 0, 2**53)
        assert stored["high"].max() < 200
        newest.append((int(stored["open_time"].max()) - NOW_MS) // STEP)
        clock.advance(60)
    assert newest == [-1, -1, -1, -1, -1, 4], "one good candle after it is not trusted yet, two are"


def test_rows_that_were_not_asked_for_are_not_returned(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.answer(wire_rows(exchange.held[-105:-5]))
    assert len(fetch(client)) == 10


def test_a_full_page_that_leads_nowhere_ends(client: BinanceSpot, exchange: Exchange) -> None:
    exchange.answer(wire_rows(exchange.held[:1000]))
    assert len(fetch(client, START)) == 1000
    assert len(exchange.queries) == 2


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
    assert client.used_weight == 5900
    before = clock.now_ms()
    fetch(client)
    assert clock.now_ms() - before == 10_000
    exchange.headers["X-MBX-USED-WEIGHT-1M"] = "2"
    fetch(client)
    fetch(client)
    assert client.used_weight == 2


# Servers that will not end


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


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(lambda connection: connection.sendall(HEAD + b"Content-Length: 5000\r\n\r\n[[1,"), "Read", id="cut off"),
        pytest.param(lambda connection: reset(connection, HEAD + b"Content-Length: 5000\r\n\r\n[[1,"), "reset", id="reset"),
        pytest.param(lambda connection: None, "no connection", id="closed at once"),
        pytest.param(lambda connection: connection.sendall(b"SSH-2.0-x\r\n"), "no connection", id="not HTTP"),
        pytest.param(
            lambda connection: connection.sendall(HEAD + b"\r\n" + b" " * (LARGEST_BODY + 1)), "longer than", id="too long"
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
