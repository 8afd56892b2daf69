"""The archive's files, made when they are asked for: zip and CHECKSUM, daily and monthly, with the oddities that real ones have.

`/data/spot/daily|monthly/klines/<SYMBOL>/<interval>/<SYMBOL>-<interval>-<date>.zip`, times in microseconds from 2025 on. Daily
files of some days of each month are odd on purpose, see ODDITIES; monthly ones are as they should be.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Final

from aiohttp import web

from node.clock import Clock
from node.durations import DAY_MS, HOUR_MS, Interval
from simulator.exchange.candles import CLOSE, HIGH, LOW, OPEN, Candles, Market
from simulator.exchange.failures import Failures

ODDITIES: Final = {3: "futures", 7: "incomplete", 11: "reissued", 13: "missing", 17: "damaged"}
"""Day of the month and what is odd about its daily file: of another market under the same name, without its last hours, at first
with a wrong candle and corrected REISSUED_AFTER_MS later, not there at all, not as its CHECKSUM says."""

DAY_AFTER_MS: Final = 2 * HOUR_MS
MONTH_AFTER_MS: Final = DAY_MS
"""How long after its end a day or a month is published."""

REISSUED_AFTER_MS: Final = 36 * HOUR_MS
INCOMPLETE_HOURS: Final = 3
MICROSECONDS_SINCE: Final = date(2025, 1, 1)
FUTURES_HEADER: Final = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"
)
KEPT_FILES: Final = 8

_EPOCH: Final = date(1970, 1, 1)
_FILE: Final = re.compile(r"([A-Z0-9]{2,20})-(1m|5m|15m|1h|1d)-(\d{4}-\d{2}(?:-\d{2})?)\.zip(\.CHECKSUM)?")


class SimulatedArchive:
    """Files over `market` as of `clock`; candles lack where `failures` halted trading."""

    def __init__(self, market: Market, clock: Clock, failures: Failures) -> None:
        self._market, self._clock, self._failures = market, clock, failures
        self._kept: OrderedDict[tuple[str, bool], bytes] = OrderedDict()
        self.requests = 0

    def routes(self) -> list[web.RouteDef]:
        """Where the files lie."""
        return [web.get("/data/spot/{kind:daily|monthly}/klines/{symbol}/{interval}/{file}", self._file)]

    async def _file(self, request: web.Request) -> web.Response:
        self.requests += 1
        match = _FILE.fullmatch(request.match_info["file"])
        is_month = request.match_info["kind"] == "monthly"
        if match is None or (match[1], match[2]) != (request.match_info["symbol"], request.match_info["interval"]):
            raise web.HTTPNotFound
        content = self._content(match[1], Interval(match[2]), match[3], is_month)
        if content is None:
            raise web.HTTPNotFound
        name = f"{match[1]}-{match[2]}-{match[3]}.zip"
        if match[4]:
            return web.Response(text=f"{sha256(content).hexdigest()}  {name}\n")
        if not is_month and _oddity(match[3]) == "damaged":
            content = content[: len(content) // 2]
        return web.Response(body=content, content_type="application/zip")

    def _content(self, symbol: str, interval: Interval, stamp: str, is_month: bool) -> bytes | None:
        """The zip; None if there is none, or none yet."""
        days = _days(stamp, is_month)
        if days is None or symbol not in self._market.symbols:
            return None
        start_ms, end_ms = ((day - _EPOCH).days * DAY_MS for day in days)
        now_ms = self._clock.now_ms()
        oddity = None if is_month else _oddity(stamp)
        if now_ms < end_ms + (MONTH_AFTER_MS if is_month else DAY_AFTER_MS) or oddity == "missing":
            return None
        is_first_edition = oddity == "reissued" and now_ms < end_ms + REISSUED_AFTER_MS
        key = f"{symbol}-{interval}-{stamp}", is_first_edition
        if key not in self._kept:
            candles = self._market.candles(symbol, interval, now_ms).between(start_ms, end_ms - interval.ms)
            candles = self._failures.traded(candles, interval)
            if not len(candles):
                return None
            text = _csv(_as_odd(candles, oddity, is_first_edition), interval, 1000 if days[0] >= MICROSECONDS_SINCE else 1)
            self._kept[key] = _zip(key[0], (FUTURES_HEADER if oddity == "futures" else "") + text)
            if len(self._kept) > KEPT_FILES:
                self._kept.popitem(last=False)
        return self._kept[key]


def _oddity(stamp: str) -> str | None:
    return ODDITIES.get(int(stamp[8:]))


def _days(stamp: str, is_month: bool) -> tuple[date, date] | None:
    """The first day of a file and the day after its last; None if the stamp is not of its kind."""
    try:
        first = datetime.strptime(stamp, "%Y-%m" if is_month else "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
    return first, (first + timedelta(days=31)).replace(day=1) if is_month else first + timedelta(days=1)


def _as_odd(candles: Candles, oddity: str | None, is_first_edition: bool) -> Candles:
    if oddity == "incomplete":
        return candles.between(0, int(candles.open_time[-1]) - INCOMPLETE_HOURS * HOUR_MS)
    values = candles.values.copy()
    if is_first_edition:
        middle = values[len(values) // 2]
        middle[CLOSE] = (middle[OPEN] + middle[HIGH]) / 2
    if oddity == "futures":
        values[:, OPEN : CLOSE + 1] *= 1.001
    return Candles(candles.open_time, values)


def _csv(candles: Candles, interval: Interval, per_ms: int) -> str:
    """Lines as the archive has them; `per_ms` 1000 for microseconds."""
    return "".join(
        f"{time * per_ms},{v[OPEN]:.8f},{v[HIGH]:.8f},{v[LOW]:.8f},{v[CLOSE]:.8f},{v[4]:.8f},"
        f"{(time + interval.ms) * per_ms - 1},{v[5]:.8f},{int(v[6])},{v[7]:.8f},{v[8]:.8f},0\n"
        for time, v in zip(candles.open_time.tolist(), candles.values.tolist(), strict=True)
    )


def _zip(name: str, text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        # A fixed date, so that the same candles always have the same checksum.
        archive.writestr(zipfile.ZipInfo(f"{name}.csv"), text, zipfile.ZIP_DEFLATED)
    return file.getvalue()
