"""The simulated exchange speaks as Binance does."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from node.clock import ManualClock
from node.durations import DAY_MS, HOUR_MS, Interval
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.exchange_server import running_exchange

NOW_MS = 1_750_000_020_000 + 30_000
STEP = 60_000
OPEN_NOW = 1_750_000_020_000

# As the exchange itself sent it in 2026.
REAL_ROW = [
    1790414340000, "83988.00000000", "83990.01000000", "83988.00000000", "83990.01000000", "0.22622000", 1790414399999,
    "18999.79325250", 122, "0.22060000", "18527.77199250", "0",
]  # fmt: skip


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture(scope="module")
def url(clock: ManualClock) -> Iterator[str]:
    with running_exchange(SyntheticMarket(seed=1, days=5), clock) as url:
        yield url


def ask(url: str, route: str = "klines", **query: Any) -> requests.Response:
    return requests.get(f"{url}/api/v3/{route}", params=query, timeout=5)


def klines(url: str, **query: Any) -> list[list[Any]]:
    response = ask(url, **({"symbol": "BTCUSDT", "interval": "1m"} | query))
    assert response.status_code == 200, response.text
    rows: list[list[Any]] = response.json()
    return rows


def test_a_row_has_the_columns_and_types_of_the_real_one(url: str) -> None:
    row = klines(url, limit=1)[0]
    assert [type(value) for value in row] == [type(value) for value in REAL_ROW]
    assert [len(value.partition(".")[2]) for value in row[1:6]] == [8] * 5
    assert row[6] - row[0] == REAL_ROW[6] - REAL_ROW[0]  # type: ignore[operator]
    assert row[11] == "0"


def test_without_times_the_newest_come_and_the_last_is_still_forming(url: str) -> None:
    rows = klines(url)
    assert len(rows) == 500
    assert rows[-1][0] == OPEN_NOW
    assert [row[0] for row in rows] == list(range(OPEN_NOW - 499 * STEP, OPEN_NOW + 1, STEP))


def test_the_forming_candle_grows_into_the_closed_one(url: str, clock: ManualClock) -> None:
    for interval in Interval:
        forming = klines(url, interval=interval.value, limit=1)[0]
        clock.advance(interval.ms / 1000)
        closed = klines(url, interval=interval.value, startTime=forming[0], limit=1)[0]
        clock.advance(-interval.ms / 1000)
        assert forming[:2] == closed[:2]
        assert float(forming[2]) <= float(closed[2])
        assert float(forming[3]) >= float(closed[3])
        assert 0 < float(forming[5]) < float(closed[5])


def test_a_longer_forming_candle_ends_where_the_minute_has_got(url: str) -> None:
    minute, hour = klines(url, limit=1)[0], klines(url, interval="1h", limit=1)[0]
    assert hour[4] == minute[4]


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ({"startTime": OPEN_NOW - 5 * STEP}, -5, 0),
        ({"startTime": OPEN_NOW - 5 * STEP + 1}, -4, 0),
        ({"startTime": OPEN_NOW - 2000 * STEP}, -2000, -1501),
        ({"startTime": OPEN_NOW - 2000 * STEP, "limit": 1000}, -2000, -1001),
        ({"startTime": OPEN_NOW - 2000 * STEP, "limit": 5000}, -2000, -1001),
        ({"endTime": OPEN_NOW - 5 * STEP, "limit": 3}, -7, -5),
        ({"endTime": OPEN_NOW - 5 * STEP - 1, "limit": 3}, -8, -6),
        ({"startTime": OPEN_NOW - 9 * STEP, "endTime": OPEN_NOW - 5 * STEP}, -9, -5),
        ({"startTime": OPEN_NOW - 9 * STEP, "endTime": OPEN_NOW - 5 * STEP, "limit": 2}, -9, -8),
        ({"endTime": OPEN_NOW + DAY_MS, "limit": 2}, -1, 0),
    ],
)
def test_start_end_and_limit_choose_as_binance_does(url: str, query: dict[str, int], first: int, last: int) -> None:
    times = [row[0] for row in klines(url, **query)]
    assert times == list(range(OPEN_NOW + first * STEP, OPEN_NOW + last * STEP + 1, STEP))


def test_where_there_is_nothing_the_list_is_empty(url: str) -> None:
    assert klines(url, endTime=OPEN_NOW - 300 * DAY_MS) == []
    assert klines(url, startTime=OPEN_NOW + HOUR_MS) == []
    assert klines(url, startTime=OPEN_NOW - STEP, endTime=OPEN_NOW - 5 * STEP) == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"symbol": "XAUUSDT", "interval": "1m"}, -1121),
        ({"symbol": "btcusdt", "interval": "1m"}, -1100),
        ({"interval": "1m"}, -1102),
        ({"symbol": "BTCUSDT"}, -1102),
        ({"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ({"symbol": "BTCUSDT", "interval": "1m", "limit": "0"}, -1130),
        ({"symbol": "BTCUSDT", "interval": "1m", "limit": "many"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "1m", "startTime": "-5"}, -1100),
    ],
)
def test_errors_have_binances_codes(url: str, query: dict[str, str], code: int) -> None:
    response = ask(url, **query)
    assert response.status_code == 400
    assert response.json()["code"] == code
    assert response.json()["msg"]


def test_time_ping_and_exchange_info_answer(url: str, clock: ManualClock) -> None:
    assert ask(url, "time").json() == {"serverTime": clock.now_ms()}
    assert ask(url, "ping").json() == {}
    info = ask(url, "exchangeInfo").json()
    assert {symbol["symbol"] for symbol in info["symbols"]} == set(SyntheticMarket.symbols)


def test_answers_carry_the_simulated_time_and_the_used_weight(url: str, clock: ManualClock) -> None:
    clock.advance(60)
    first, second = ask(url, "ping"), ask(url, symbol="BTCUSDT", interval="1d")
    assert parsedate_to_datetime(first.headers["Date"]).timestamp() == clock.now_ms() // 1000
    assert (first.headers["X-MBX-USED-WEIGHT-1M"], second.headers["X-MBX-USED-WEIGHT-1M"]) == ("1", "3")
    clock.advance(60)
    assert ask(url, "ping").headers["X-MBX-USED-WEIGHT-1M"] == "1"


def test_too_much_weight_is_a_429_until_the_next_minute(clock: ManualClock) -> None:
    clock = ManualClock(NOW_MS)
    with running_exchange(SyntheticMarket(seed=1, days=1), clock) as url, requests.Session() as session:
        statuses = {session.get(f"{url}/api/v3/exchangeInfo", timeout=5).status_code for _ in range(301)}
        assert statuses == {200, 429}
        assert ask(url, "ping").headers["Retry-After"] == "31"
        clock.advance(31)
        assert ask(url, "ping").status_code == 200


def test_the_state_says_what_is_served(url: str) -> None:
    state = requests.get(f"{url}/simulator/state", timeout=5).json()
    assert state["failures"] == []
    assert "BTCUSDT" in state["symbols"]
    assert "made-up" in state["market"]
