"""Whatever a body holds, what comes out of it is sound and closed, or a MarketError."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from market.bounded_http import Answer, earlier
from market.candles import check_candles, plausible_rows
from market.exchanges.binance_wire import read_page
from node.durations import DAY_MS
from node.errors import BadMarketDataError
from tests.support.market_candles import MINUTE, NOW_MS, make_candles, wire_rows

ROWS = wire_rows(make_candles(NOW_MS - 9 * MINUTE.ms, 12))
"""Nine closed candles, the one still forming, two of the future."""


def answer(body: str | bytes, **headers: str) -> Answer:
    return Answer(200, CaseInsensitiveDict(headers), body.encode() if isinstance(body, str) else body)


def check(body: str | bytes) -> None:
    try:
        page = read_page(answer(body), MINUTE, NOW_MS)
    except BadMarketDataError:
        return
    check_candles(page.candles, MINUTE, NOW_MS)
    assert plausible_rows(page.candles, MINUTE).all()
    assert 0 <= page.bad <= page.rows
    assert len(page.candles) <= page.rows


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.floats().map(str)
    | st.sampled_from(["NaN", "Infinity", "-0", "1e309", "０", "1_000", NOW_MS, NOW_MS - MINUTE.ms, "100.0"])
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=13) | st.dictionaries(st.text(max_size=3), inner), max_leaves=20
)


@settings(max_examples=150, deadline=None)
@given(anything)
def test_any_json_is_survived(content: Any) -> None:
    check(json.dumps(content))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), scalars), max_size=6), st.permutations(range(12)))
def test_any_change_to_good_rows_is_survived(changes: list[tuple[int, int, Any]], order: list[int]) -> None:
    rows = [list(ROWS[index]) for index in order]
    for row, column, value in changes:
        rows[row][column] = value
    check(json.dumps(rows))


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_any_bytes_and_any_cut_are_survived(noise: bytes, cut: int) -> None:
    check(noise)
    text = json.dumps(ROWS).encode()
    check(text[:cut] + noise + text[cut:])
    check(text[:cut])


def test_of_good_rows_the_closed_ones_come_out() -> None:
    page = read_page(answer(json.dumps(ROWS)), MINUTE, NOW_MS)
    assert (len(page.candles), page.rows, page.bad) == (9, 12, 1)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Sun, 15 Jun 2025 15:06:50 GMT", NOW_MS - 10_000 + 999),
        ("Sun, 15 Jun 2025 15:09:00 GMT", NOW_MS),
        ("yesterday", NOW_MS),
        ("", NOW_MS),
        ("Sun, 15 Jun 99999999 15:06:50 GMT", NOW_MS),
    ],
)
def test_the_earlier_of_two_clocks_counts(date: str, expected: int) -> None:
    assert earlier(NOW_MS, answer("[]", Date=date)) == expected
    assert earlier(NOW_MS - DAY_MS, answer("[]")) == NOW_MS - DAY_MS
