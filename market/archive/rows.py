"""One file of Binance's archive, from zip to candles, or refused.

The zip holds one CSV without header whose rows have the columns of `market.exchanges.binance_wire`. Times are microseconds since
2025 and milliseconds before; the number's size tells which, and the file's days whether that was right.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from market.exchanges.binance_wire import WIRE_COLUMNS, sound_candles
from market.exchanges.exchange import with_bad_rows
from node.durations import Interval
from node.errors import BadMarketDataError

MAX_CSV_BYTES: Final = 64_000_000
"""In bytes; a month of minutes has about seven million."""

_MICROSECONDS: Final = 10**14
"""No time in milliseconds is as large before the year 5138, and none in microseconds as small since 1973."""

_OPEN_TIME, _CLOSE_TIME = 0, 6

_BOUNDED_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways of packing of which Python unpacks no more than it is asked for."""


def read_rows(body: bytes, name: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
    """The sound candles of the zip `body`, all of which must open in start_ms <= t < end_ms; see `exchange.bad_rows`."""
    table = _table(_unzip(body, name), name)
    for column in (_OPEN_TIME, _CLOSE_TIME):
        table[:, column] = _milliseconds(table[:, column])
    open_time = table[:, _OPEN_TIME]
    if not np.all((open_time >= start_ms) & (open_time < end_ms)):
        raise BadMarketDataError(f"the archive's {name} has candles of other days")
    candles, bad = sound_candles(table, interval, end_ms)
    return with_bad_rows(candles, bad)


def _milliseconds(times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # an infinite time stays one that is of no day
        return np.where(times >= _MICROSECONDS, times // 1000, times)


def _unzip(body: bytes, name: str) -> bytes:
    """The one CSV inside. Never more than MAX_CSV_BYTES bytes are unpacked, whatever the zip says of itself."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if archive.namelist() != [f"{name}.csv"]:
                raise BadMarketDataError(f"the archive's {name} does not hold its one CSV file")
            # With other methods the library unpacks all that it has been given at once, however much that becomes.
            if archive.getinfo(f"{name}.csv").compress_type not in _BOUNDED_METHODS:
                raise BadMarketDataError(f"the archive's {name} is compressed in a way that no file of the archive is")
            with archive.open(f"{name}.csv") as member:
                content = member.read(MAX_CSV_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise BadMarketDataError(f"the archive's {name} cannot be unpacked: {str(error)[:200]}") from None
    if len(content) > MAX_CSV_BYTES:
        raise BadMarketDataError(f"the archive's {name} is longer than {MAX_CSV_BYTES} bytes unpacked")
    return content


def _table(content: bytes, name: str) -> npt.NDArray[np.float64]:
    """All rows but for the column to ignore, as float64 [n, 11]."""
    if not content.strip():
        raise BadMarketDataError(f"the archive's {name} is empty")
    if content[:1].isalpha():
        raise BadMarketDataError(f"the archive's {name} has a header line: it is a futures file, not a spot one")
    try:
        table = np.loadtxt(io.BytesIO(content), delimiter=",", comments=None, ndmin=2, encoding="ascii")
    except (ValueError, UnicodeDecodeError) as error:
        raise BadMarketDataError(f"the archive's {name} is not a table of numbers: {error}") from None
    if table.shape[1] != WIRE_COLUMNS:
        raise BadMarketDataError(f"the archive's {name} has {table.shape[1]} columns instead of {WIRE_COLUMNS}")
    return table[:, : WIRE_COLUMNS - 1]
