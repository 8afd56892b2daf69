"""The simulated exchange without a network: requests' sessions reach its application through an adapter.

What would take time on a real network takes simulated time here, and a reset or a time-out is what the library makes of one.
"""

from __future__ import annotations

import asyncio
import io
from types import SimpleNamespace
from typing import Any, Final

import requests
import urllib3
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from requests.adapters import BaseAdapter, HTTPAdapter

from simulator.exchange.app import SimulatedExchange
from simulator.exchange.candles import Market
from simulator.exchange.failures import Failures
from tests.system.month.scheduler import Scheduler, TrueClock

HANGS: Final = ("timeout", "slow_drip")
TIMEOUT_SECONDS: Final = 10.0


class InProcessExchange:
    """The exchange, its failures, and how it is reached."""

    def __init__(self, market: Market, scheduler: Scheduler) -> None:
        clock = TrueClock(scheduler)
        self.failures = Failures(clock)
        self._scheduler = scheduler
        self._application = SimulatedExchange(market, clock, self.failures).application()
        self._application.freeze()
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.close()

    def answer(self, request: requests.PreparedRequest) -> requests.Response:
        """What the library would hand over, or its error."""
        if set(HANGS) & set(self.failures.active):
            self._scheduler.wait(TIMEOUT_SECONDS, exactly=True)
            raise requests.ReadTimeout("no answer in time", request=request)
        transport = _Transport()
        protocol = SimpleNamespace(ssl_context=None, peername=None, sockname=None)
        parts = {"transport": transport, "writer": _Writer(), "protocol": protocol, "app": self._application}
        asked = make_mocked_request(str(request.method), request.path_url, loop=self._loop, **parts)
        # No handler waits but those that hang, so the loop passes no time and may serve one thread after another.
        answer = self._loop.run_until_complete(self._handled(asked))
        if transport.was_reset:
            raise requests.ConnectionError("connection reset by peer", request=request)
        response = requests.Response()
        response.request, response.url, response.status_code = request, str(request.url), answer.status
        response.headers.update(answer.headers)
        response.raw = urllib3.HTTPResponse(
            io.BytesIO(answer.body if isinstance(answer.body, bytes) else b""), status=answer.status, preload_content=False
        )
        return response

    async def _handled(self, asked: web.Request) -> web.Response:
        answer = await self._application._handle(asked)
        if not isinstance(answer, web.Response):
            raise TypeError(f"{answer} is no whole answer")
        await answer.prepare(asked)
        return answer


class _Transport:
    """Of a request that came over no connection, which can be reset all the same."""

    was_reset = False

    def get_extra_info(self, _: str, default: Any = None) -> Any:
        return SimpleNamespace(setsockopt=lambda *_: None, getsockname=lambda: ("exchange", 80)) if default is None else default

    def abort(self) -> None:
        self.was_reset = True


class _Writer:
    """Headers of an answer are made when they are written; nobody reads them here."""

    async def write_headers(self, *_: Any) -> None:
        """There is nowhere to write to."""


def adapter_to(exchange: InProcessExchange) -> type[BaseAdapter]:
    """A class that stands where `market.bounded_http` expects requests' own adapter."""

    class Adapter(HTTPAdapter):
        def __init__(self) -> None:
            self.poolmanager = SimpleNamespace(pool_classes_by_scheme={})

        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            return exchange.answer(request)

        def close(self) -> None:
            """There is no connection."""

    return Adapter
