"""The named ways in which the simulated exchange fails, each as real exchanges and the networks before them have done."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from aiohttp import web

from node.clock import Clock
from node.durations import Interval
from simulator.exchange.candles import Candles

Row = list[Any]
"""One candle as it goes over the wire: 12 columns."""

RETRY_SECONDS: Final = {429: 10, 418: 120}
HTML: Final = "<html><head><title>One moment</title></head><body>Checking your browser before you go on.</body></html>"


@dataclass
class Failures:
    """Which failures are on, and until when; the halts that there have been stay for good, as a market's do."""

    clock: Clock
    _until: dict[str, float] = field(default_factory=dict)
    _halts: list[list[float]] = field(default_factory=list)

    def start(self, name: str, seconds: float | None = None) -> None:
        """Fail as `name` for `seconds`, or until healed; ValueError for a name that is not one of NAMES."""
        if name not in NAMES:
            raise ValueError(f"{name!r} is not a failure; there are {', '.join(NAMES)}")
        now_ms = self.clock.now_ms()
        self._until[name] = now_ms + seconds * 1000 if seconds is not None else math.inf
        if name == "halt":
            self._halts.append([now_ms, self._until[name]])

    def heal(self) -> None:
        """Fail no more."""
        for halt in self._halts:
            halt[1] = min(halt[1], self.clock.now_ms())
        self._until.clear()

    @property
    def active(self) -> list[str]:
        now_ms = self.clock.now_ms()
        return [name for name, until in self._until.items() if until > now_ms]

    def traded(self, candles: Candles, interval: Interval) -> Candles:
        """Without the candles that lie wholly inside a halt."""
        keep = np.ones(len(candles), dtype=bool)
        for start, end in self._halts:
            keep &= (candles.open_time < Interval.MINUTE.floor(int(start))) | (candles.open_time + interval.ms > end)
        return candles if keep.all() else Candles(candles.open_time[keep], candles.values[keep])

    async def instead(self, request: web.Request) -> web.StreamResponse | None:
        """What goes out instead of an answer; None if nothing hinders it."""
        for name in self.active:
            if name in _ANSWERS:
                return await _ANSWERS[name](request, self)
        return None

    def spoil(self, rows: list[Row], interval: Interval) -> list[Row]:
        """`rows` as the active failures leave them."""
        for name in self.active:
            if name in _SPOILERS:
                rows = _SPOILERS[name](rows, interval)
        return rows

    def spoil_text(self, text: str) -> str:
        """The body as the active failures leave it."""
        return text[: len(text) * 2 // 3] if "truncated" in self.active else text


async def _timeout(_: web.Request, failures: Failures) -> web.StreamResponse:
    while "timeout" in failures.active:
        await asyncio.sleep(0.1)
    return web.Response(status=504)


async def _slow_drip(request: web.Request, failures: Failures) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while "slow_drip" in failures.active:
        await response.write(b" ")
        await asyncio.sleep(0.2)
    await response.write(b"[]")
    return response


async def _reset(request: web.Request, _: Failures) -> web.StreamResponse:
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        # Lingering for zero seconds makes the close a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


async def _html(_: web.Request, __: Failures) -> web.StreamResponse:
    return web.Response(text=HTML, content_type="text/html")


def _status(status: int) -> Callable[[web.Request, Failures], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request, failures: Failures) -> web.StreamResponse:
        if status in RETRY_SECONDS:
            until = failures.clock.now_ms() + RETRY_SECONDS[status] * 1000
            message = f"Way too much request weight used; IP banned until {until}. Please use WebSocket Streams for live updates."
            headers = {"Retry-After": str(RETRY_SECONDS[status])}
            return web.json_response({"code": -1003, "msg": message}, status=status, headers=headers)
        return web.Response(status=status, text=HTML, content_type="text/html")

    return answer


_ANSWERS: Final[dict[str, Callable[[web.Request, Failures], Awaitable[web.StreamResponse]]]] = {
    "timeout": _timeout,
    "slow_drip": _slow_drip,
    "reset": _reset,
    "html": _html,
    **{f"http_{status}": _status(status) for status in (403, 418, 429, 451, 500)},
}


def _middle(change: Callable[[Row], Row]) -> Callable[[list[Row], Interval], list[Row]]:
    """Change the row in the middle and leave the others."""

    def spoil(rows: list[Row], _: Interval) -> list[Row]:
        middle = len(rows) // 2
        return [*rows[:middle], *map(change, rows[middle : middle + 1]), *rows[middle + 1 :]]

    return spoil


def _spike(row: Row) -> Row:
    return [*row[:2], f"{float(row[2]) * 10:.8f}", row[3], f"{float(row[4]) * 10:.8f}", *row[5:]]


def _future(rows: list[Row], interval: Interval) -> list[Row]:
    ahead = 1000 * interval.ms
    return [*rows, *([row[0] + ahead, *row[1:6], row[6] + ahead, *row[7:]] for row in rows[-3:])]


def _unfinished(rows: list[Row], interval: Interval) -> list[Row]:
    """One more candle after the last, without regard to endTime."""
    return [*rows, *([row[0] + interval.ms, *row[1:6], row[6] + interval.ms, *row[7:]] for row in rows[-1:])]


_SPOILERS: Final[dict[str, Callable[[list[Row], Interval], list[Row]]]] = {
    "wrong_columns": lambda rows, _: [row[:6] for row in rows],
    "nan": _middle(lambda row: [row[0], *["NaN"] * 4, *row[5:]]),
    "zero_price": _middle(lambda row: [row[0], *["0.00000000"] * 4, *row[5:]]),
    "spike": _middle(_spike),
    "duplicates": lambda rows, _: [row for row in rows for _ in range(2)],
    "unordered": lambda rows, _: rows[::-1],
    "future": _future,
    "unfinished": _unfinished,
    "empty": lambda _, __: [],
}

NAMES: Final = (*_ANSWERS, "truncated", *_SPOILERS, "halt")
