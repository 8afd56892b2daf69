"""The simulated archive's files are as the real ones, oddities included."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from hashlib import sha256

import pytest
import requests

from node.clock import ManualClock
from node.durations import HOUR_MS
from simulator.exchange.archive import ODDITIES
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.exchange_server import running_exchange

MID_JUNE = 1_750_000_020_000
"""2025-06-15 15:07 UTC."""

# As the archive itself had them.
REAL_LINE = (
    "1748736000000000,104591.88000000,104647.11000000,104591.88000000,104647.11000000,10.71688000,1748736059999999,"
    "1121053.19051460,116,9.99825000,1045871.17272520,0"
)


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock(MID_JUNE)


@pytest.fixture(scope="module")
def url(clock: ManualClock) -> Iterator[str]:
    with running_exchange(SyntheticMarket(seed=2, days=20), clock) as url:
        yield url


def get(url: str, stamp: str, suffix: str = "", symbol: str = "BTCUSDT", kind: str = "daily") -> requests.Response:
    return requests.get(f"{url}/data/spot/{kind}/klines/{symbol}/1m/{symbol}-1m-{stamp}.zip{suffix}", timeout=10)


def lines(body: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        (name,) = archive.namelist()
        return archive.read(name).decode().splitlines()


def test_a_days_file_is_one_zipped_csv_of_its_minutes_in_microseconds(url: str) -> None:
    rows = lines(get(url, "2025-06-01").content)
    assert len(rows) == 1440
    first, real = rows[0].split(","), REAL_LINE.split(",")
    assert (first[0], first[6], first[11]) == (real[0], real[6], real[11])
    assert [len(value.partition(".")[2]) for value in first] == [len(value.partition(".")[2]) for value in real]


def test_the_checksum_is_that_of_the_file(url: str) -> None:
    for stamp, kind in (("2025-06-01", "daily"), ("2025-05", "monthly")):
        text = get(url, stamp, ".CHECKSUM", kind=kind).text
        assert text == f"{sha256(get(url, stamp, kind=kind).content).hexdigest()}  BTCUSDT-1m-{stamp}.zip\n"


def test_what_is_not_published_is_not_found(url: str) -> None:
    for stamp in ("2025-06-15", "2025-06-16", "2020-01-01", "2025-06-31", "2025-06"):
        assert get(url, stamp).status_code == 404
    assert get(url, "2025-06", kind="monthly").status_code == 404
    assert get(url, "2025-06-01", symbol="NOTHINGUSDT").status_code == 404


def test_each_oddity_is_what_it_says(url: str, clock: ManualClock) -> None:
    assert set(ODDITIES.values()) == {"futures", "incomplete", "reissued", "missing", "damaged"}
    assert lines(get(url, "2025-06-03").content)[0].startswith("open_time,")
    assert len(lines(get(url, "2025-06-07").content)) == 1440 - 180
    assert get(url, "2025-06-13").status_code == get(url, "2025-06-13", ".CHECKSUM").status_code == 404
    clock.advance(4 * 24 * HOUR_MS / 1000)
    digest = get(url, "2025-06-17", ".CHECKSUM").text[:64]
    assert sha256(get(url, "2025-06-17").content).hexdigest() != digest
    clock.advance(-4 * 24 * HOUR_MS / 1000)


def test_a_reissued_file_has_another_checksum_and_one_other_candle(url: str, clock: ManualClock) -> None:
    now, before = get(url, "2025-06-11"), get(url, "2025-06-11", ".CHECKSUM").text
    clock.advance(-3 * 24 * HOUR_MS / 1000)
    then = get(url, "2025-06-11")
    assert get(url, "2025-06-11", ".CHECKSUM").text != before
    clock.advance(3 * 24 * HOUR_MS / 1000)
    assert sum(one != other for one, other in zip(lines(now.content), lines(then.content), strict=True)) == 1
