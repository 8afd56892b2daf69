"""A file of Binance's archive, as the zip that comes and as the rows inside it, and the checksum beside it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

from market.archive.client import BinanceArchive, Period
from node.durations import DAY_MS, Interval
from node.errors import MarketError
from tests.system.fuzz.target import Check, Target, check_refusal
from tests.system.fuzz.wire import EVERYWHERE, HOUR_FILE, Saying, answer, check_sound, recorded

PERIOD = Period(date(2025, 6, 2), 1, False)


def _take(body: bytes, checksum: str) -> bool:
    """Whether the client takes this file."""
    client: Any = BinanceArchive("http://archive")
    client._http = Saying(answer(b"\r\n\r\n" + body))
    try:
        candles = client.candles("BTCUSDT", Interval.HOUR, PERIOD, checksum)
    except MarketError as error:
        check_refusal(error)
        return False
    check_sound(candles, Interval.HOUR, PERIOD.start_ms, PERIOD.start_ms + DAY_MS - 1)
    return True


def zipped(rows: bytes) -> bytes:
    """The file whose rows these are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{HOUR_FILE}.csv"), rows)
    return file.getvalue()


@contextmanager
def _zip(_: Path) -> Iterator[Check]:
    yield lambda data: _take(data, sha256(data).hexdigest())


@contextmanager
def _rows(_: Path) -> Iterator[Check]:
    def check(data: bytes) -> bool:
        body = zipped(data)
        return _take(body, sha256(body).hexdigest())

    yield check


@contextmanager
def _checksum(_: Path) -> Iterator[Check]:
    def check(data: bytes) -> bool:
        client: Any = BinanceArchive("http://archive")
        client._http = Saying(answer(data))
        try:
            digest = client.checksum("BTCUSDT", Interval.HOUR, PERIOD)
        except MarketError as error:
            check_refusal(error)
            return False
        assert digest is None or (len(digest) == 64 and set(digest) <= set("0123456789abcdef"))
        return digest is not None

    yield check


def _bodies() -> list[bytes]:
    return [answer(said).body for said in recorded()["archive"]]


def _contents() -> list[bytes]:
    contents = []
    for body in _bodies():
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            contents += [archive.read(name) for name in archive.namelist()]
    return contents


NUMBERS = (b"nan", b"inf", b"-inf", b"1e308", b"-0", b"1e-320", b"0x1", b"99999999999999999999")
ZIP = Target(_zip, _bodies, (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"\x0c\x00", b"\x0e\x00"))
ROWS = Target(_rows, _contents, (*NUMBERS, b",", b"\n", b"\r", b"#", b'"'))
CHECKSUM = Target(_checksum, lambda: recorded()["checksum"], EVERYWHERE)
