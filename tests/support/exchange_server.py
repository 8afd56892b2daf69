"""The simulated exchange on a thread and a free port of its own, with a clock that tests can move."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from node.clock import Clock
from simulator.exchange.app import SimulatedExchange
from simulator.exchange.candles import Market
from simulator.exchange.failures import Failures


@contextmanager
def running_exchange(market: Market, clock: Clock, failures: Failures | None = None) -> Iterator[str]:
    """Its URL, while it runs."""
    loop = asyncio.new_event_loop()
    exchange = SimulatedExchange(market, clock, failures or Failures(clock))
    runner = web.AppRunner(exchange.application(), access_log=None, shutdown_timeout=0.1)

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return port

    port = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
