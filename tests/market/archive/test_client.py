"""The archive's files, one trap a test: nothing is believed before its checksum, its kind and its days are right."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from pytest_httpserver import HTTPServer

from market.archive import rows as archive_rows
from market.archive.client import MAX_ZIP_BYTES, BinanceArchive, Period, periods
from market.exchanges.exchange import bad_rows
from node.durations import DAY_MS, Interval
from node.errors import BadMarketDataError, ExchangeRefusedError, ExchangeUnreachableError, MarketError, UnknownSymbolError
from tests.support.market_candles import MINUTE, make_candles, wire_rows

DAY = Period(date(2025, 6, 1), 1, False)
OLD_DAY = Period(date(2024, 12, 31), 1, False)
FOLDER = "/data/spot/daily/klines/BTCUSDT/1m"
FUTURES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"
)


def csv(candles: pd.DataFrame, per_ms: int = 1000) -> str:
    """Lines as the archive has them: microseconds since 2025, whose close time ends in 999999."""
    lines = []
    for row in wire_rows(candles):
        row[0], row[6] = row[0] * per_ms, (row[6] + 1) * per_ms - 1
        lines.append(",".join(map(str, row)) + "\n")
    return "".join(lines)


def zipped(text: str | bytes, name: str = "BTCUSDT-1m-2025-06-01.csv", *more: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in (name, *more):
            archive.writestr(member, text)
    return file.getvalue()


@pytest.fixture
def archive(httpserver: HTTPServer) -> Iterator[BinanceArchive]:
    client = BinanceArchive(httpserver.url_for(""), connect_timeout=2, read_timeout=2)
    yield client
    client.close()


def read(archive: BinanceArchive, httpserver: HTTPServer, body: bytes, period: Period = DAY) -> pd.DataFrame:
    """What the client makes of a file with these bytes and their right checksum."""
    httpserver.expect_request(f"{FOLDER}/BTCUSDT-1m-{period}.zip").respond_with_data(body)
    return archive.candles("BTCUSDT", MINUTE, period, sha256(body).hexdigest())


def day(count: int = 1440, period: Period = DAY) -> pd.DataFrame:
    return make_candles(period.start_ms, count)


def test_microseconds_are_told_from_milliseconds(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    new = read(archive, httpserver, zipped(csv(day())))
    old = read(
        archive, httpserver, zipped(csv(day(period=OLD_DAY), per_ms=1), "BTCUSDT-1m-2024-12-31.csv"), OLD_DAY
    )  # fmt: skip
    pd.testing.assert_frame_equal(new, day(), check_exact=True)
    pd.testing.assert_frame_equal(old, day(period=OLD_DAY), check_exact=True)


def test_both_units_in_one_file_are_read_each_by_its_size(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    candles = day()
    mixed = csv(candles.head(700), per_ms=1) + csv(candles.tail(740))
    pd.testing.assert_frame_equal(read(archive, httpserver, zipped(mixed)), candles, check_exact=True)


def test_a_futures_file_of_the_same_name_is_refused(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    with pytest.raises(BadMarketDataError, match="futures"):
        read(archive, httpserver, zipped(FUTURES_HEADER + csv(day(), per_ms=1)))


def test_a_file_of_another_day_is_refused(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    with pytest.raises(BadMarketDataError, match="other days"):
        read(archive, httpserver, zipped(csv(day(period=Period(date(2025, 6, 2), 1, False)))))


def test_seconds_instead_of_milliseconds_are_no_day_of_the_file(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    candles = day(10)
    candles["open_time"] //= 1000
    with pytest.raises(BadMarketDataError, match="other days"):
        read(archive, httpserver, zipped(csv(candles, per_ms=1)))


def test_a_file_without_its_checksum_is_refused(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{FOLDER}/BTCUSDT-1m-2025-06-01.zip").respond_with_data(zipped(csv(day())))
    with pytest.raises(BadMarketDataError, match="checksum"):
        archive.candles("BTCUSDT", MINUTE, DAY, "0" * 64)


def test_an_incomplete_day_gives_what_it_has(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    got = read(archive, httpserver, zipped(csv(day(900))))
    assert len(got) == 900
    assert bad_rows(got) == 0


def test_rows_that_break_an_invariant_are_left_out_and_counted(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    candles = day()
    candles.loc[100, "low"] = candles.loc[100, "high"] * 2
    candles.loc[200, ["open", "high", "low", "close"]] = 0
    candles.loc[300, "close"] = np.nan
    got = read(archive, httpserver, zipped(csv(candles)))
    assert len(got) == 1437
    assert bad_rows(got) == 3


def test_a_zip_that_grows_beyond_every_measure_is_refused(
    archive: BinanceArchive, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_rows, "MAX_CSV_BYTES", 100_000)
    bomb = zipped(b"0" * 1_000_000)
    assert len(bomb) < 2_000
    with pytest.raises(BadMarketDataError, match="longer than"):
        read(archive, httpserver, bomb)


def test_a_zip_that_lies_about_its_size_is_refused_all_the_same(
    archive: BinanceArchive, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_rows, "MAX_CSV_BYTES", 100_000)
    size = (1_000_000).to_bytes(4, "little")
    bomb = zipped(b"0" * 1_000_000).replace(size, (10).to_bytes(4, "little"))
    with pytest.raises(BadMarketDataError):
        read(archive, httpserver, bomb)


def test_a_download_without_end_is_given_up(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{FOLDER}/BTCUSDT-1m-2025-06-01.zip").respond_with_data(b"\0" * (MAX_ZIP_BYTES + 1))
    with pytest.raises(ExchangeUnreachableError, match="longer than"):
        archive.candles("BTCUSDT", MINUTE, DAY, "0" * 64)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no zip at all",
        zipped(csv(make_candles(DAY.start_ms, 9)))[:-30],
        zipped(csv(make_candles(DAY.start_ms, 9)), "../../etc/passwd"),
        zipped(csv(make_candles(DAY.start_ms, 9)), "BTCUSDT-1m-2025-06-01.csv", "another.csv"),
        zipped(""),
        zipped("\n\n"),
        zipped("1,2,3\n"),
        zipped("1,2,3,4,5,6,7,8,9,10,11,12\n1,2\n"),
        zipped("1,2,3,4,5,6,7,8,9,10,11,'x'\n"),
        zipped(b"\xff\xfe\x00"),
    ],
    ids=["empty", "no zip", "cut off", "path", "two members", "no line", "blank", "columns", "ragged", "text", "binary"],
)
def test_what_is_no_file_of_the_archive_is_bad_data(archive: BinanceArchive, httpserver: HTTPServer, body: bytes) -> None:
    with pytest.raises(BadMarketDataError):
        read(archive, httpserver, body)


def test_a_damaged_byte_inside_the_zip_is_noticed_even_with_its_checksum(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    body = bytearray(zipped(csv(day())))
    body[len(body) // 2] ^= 0xFF
    with pytest.raises(BadMarketDataError):
        read(archive, httpserver, bytes(body))


def test_a_file_that_is_not_there_has_no_checksum(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{FOLDER}/BTCUSDT-1m-2025-06-01.zip.CHECKSUM").respond_with_data("<Code>NoSuchKey</Code>", 404)
    assert archive.checksum("BTCUSDT", MINUTE, DAY) is None


def test_the_checksum_is_the_files_own(archive: BinanceArchive, httpserver: HTTPServer) -> None:
    digest = "AB" * 32
    checksum = httpserver.expect_ordered_request(f"{FOLDER}/BTCUSDT-1m-2025-06-01.zip.CHECKSUM")
    checksum.respond_with_data(f"{digest}  BTCUSDT-1m-2025-06-01.zip\n")
    assert archive.checksum("BTCUSDT", MINUTE, DAY) == digest.lower()
    for text in ("<html>", "", f"{digest}  BTCUSDT-1m-2025-06-02.zip\n", f"{digest[:-1]}  BTCUSDT-1m-2025-06-01.zip\n"):
        httpserver.expect_ordered_request(f"{FOLDER}/BTCUSDT-1m-2025-06-01.zip.CHECKSUM").respond_with_data(text)
        with pytest.raises(BadMarketDataError):
            archive.checksum("BTCUSDT", MINUTE, DAY)


@pytest.mark.parametrize(
    ("status", "error"), [(403, ExchangeRefusedError), (451, ExchangeRefusedError), (500, ExchangeUnreachableError)]
)
def test_a_refusal_is_not_a_missing_file(
    archive: BinanceArchive, httpserver: HTTPServer, status: int, error: type[MarketError]
) -> None:
    httpserver.expect_request(f"{FOLDER}/BTCUSDT-1m-2025-06-01.zip.CHECKSUM").respond_with_data("no", status)
    with pytest.raises(error):
        archive.checksum("BTCUSDT", MINUTE, DAY)


@pytest.mark.parametrize("symbol", ["../BTC", "btcusdt", "", "BTC USDT"])
def test_what_cannot_be_a_pair_is_not_even_asked_for(archive: BinanceArchive, httpserver: HTTPServer, symbol: str) -> None:
    with pytest.raises(UnknownSymbolError):
        archive.checksum(symbol, MINUTE, DAY)
    assert httpserver.log == []


def test_months_that_have_ended_come_whole_and_the_others_by_the_day() -> None:
    start, end = Period(date(2025, 4, 20), 1, False).start_ms, Period(date(2025, 6, 4), 1, False).start_ms + DAY_MS // 2
    assert list(map(str, periods(MINUTE, start, end))) == ["2025-06-03", "2025-06-02", "2025-06-01", "2025-05", "2025-04"]
    assert list(map(str, periods(Interval.QUARTER, start, end))) == ["2025-05", "2025-04"]
    assert list(periods(Interval.HOUR, start, end)) == []


def test_the_last_day_of_a_month_is_a_day_until_midnight() -> None:
    midnight = Period(date(2024, 3, 1), 1, False).start_ms
    assert list(map(str, periods(MINUTE, midnight - 2 * DAY_MS, midnight - 1))) == ["2024-02-28"]
    february = list(periods(MINUTE, midnight - 2 * DAY_MS, midnight))
    assert [(str(period), period.days) for period in february] == [("2024-02", 29)]
    assert [str(one) for one in february[0].each_day()][-1] == "2024-02-29"
