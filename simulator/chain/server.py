"""The simulated chain as a running server: a block every so often, gRPC on one port, websocket and ledger on another."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web
from grpclib.server import Server

from node.clock import Clock
from simulator.chain.faults import Fault
from simulator.chain.others import OtherWorkers
from simulator.chain.service import ChainService
from simulator.chain.state import ChainState, Submission
from simulator.chain.web import ChainWeb


class SimulatedChain:
    """Start it in a running event loop, stop it there too. `port` and `http_port` are known after `start`."""

    def __init__(
        self,
        state: ChainState,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        http_port: int = 0,
        block_seconds: float = 1.0,
        on_submission: Callable[[Submission, int], None] | None = None,
        others: OtherWorkers | None = None,
    ) -> None:
        self.state = state
        self.host = host
        self.port = port
        self.http_port = http_port
        self._clock = clock
        self._block_seconds = self.state.block_seconds = block_seconds
        self.others = others
        self._on_submission = on_submission
        self._web = ChainWeb(state, self._now, self.script)
        self._tasks: set[asyncio.Task[None]] = set()
        self._grpc: Server | None = None
        self._runner: web.AppRunner | None = None

    def _now(self) -> float:
        return self._clock.now_ms() / 1000

    async def start(self) -> None:
        """Listen and make blocks; OSError if a port is taken."""
        self.state.time_ms = self.state.times_ms[self.state.height] = self._clock.now_ms()
        await self._listen()
        self._runner = web.AppRunner(self._web.application(), access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.http_port)
        await site.start()
        self.http_port = int(self._runner.addresses[0][1])
        self._keep(self._make_blocks())

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._web.disconnect()
        await self._close_grpc()
        if self._runner is not None:
            await self._runner.cleanup()

    def script(self, fault: Fault) -> None:
        """Put a fault into force. Call it from the server's own loop."""
        self.state.faults.add(fault, self._now())
        if fault.kind == "restart":
            self._keep(self._restart())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self) -> None:
        self._grpc = Server([ChainService(self.state, self._now)])
        listener = socket.create_server((self.host, self.port))
        self.port = int(listener.getsockname()[1])
        await self._grpc.start(sock=listener)

    async def _close_grpc(self) -> None:
        if self._grpc is not None:
            self._grpc.close()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._grpc.wait_closed(), 1.0)
            self._grpc = None

    async def _restart(self) -> None:
        """What waited for a block is forgotten, and the websockets drop; gRPC says UNAVAILABLE while the fault lasts."""
        self.state.mempool.clear()
        await self._web.disconnect()

    async def _make_blocks(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += self._block_seconds
            await asyncio.sleep(max(0.0, due - loop.time()))
            accepted = len(self.state.submissions)
            opened = self.state.advance(self._clock.now_ms())
            if self._on_submission is not None:
                for number, entry in enumerate(self.state.submissions[accepted:], accepted + 1):
                    self._on_submission(entry, number)
            if self.others is not None:
                for topic in opened:
                    self._keep(self.others.answer(topic, self.state.height, self.state.time_ms))
            await self._web.announce(opened)
