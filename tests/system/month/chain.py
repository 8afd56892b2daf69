"""The simulated chain without a network: the worker's own chain client asks its service directly, in simulated time.

Blocks come every few simulated seconds. Where nothing happens in them they are counted, not made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

from allora_sdk.rpc_client.protos.cosmos.base.tendermint.v1beta1 import GetNodeInfoRequest

from node.topics import Topic
from simulator.chain.faults import Fault, Faults
from simulator.chain.service import ChainService
from simulator.chain.state import ChainState
from simulator.chain.topics import configured
from tests.system.month.event_loop import SimulatedLoop
from tests.system.month.scheduler import Process, Scheduler

BLOCK_MS: Final = 5_000
WINDOW_BLOCKS: Final = 24
CHAIN_ID: Final = "localnet"
SERVICES: Final = {
    "emissions": "/emissions.v10.QueryService",
    "tendermint": "/cosmos.base.tendermint.v1beta1.Service",
    "auth": "/cosmos.auth.v1beta1.Query",
    "bank": "/cosmos.bank.v1beta1.Query",
    "tx": "/cosmos.tx.v1beta1.Service",
    "feemarket": "/feemarket.feemarket.v1.Query",
}

Listener = Callable[[Any, int], Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """What the websocket tells of a window."""

    topic_id: int
    nonce_block_height: int
    window_end_block: int


class InProcessChain:
    """Makes blocks and tells of windows. Block `first` has the time at which this was made."""

    def __init__(self, scheduler: Scheduler, topics: Iterable[Topic], epoch_blocks: int) -> None:
        self._scheduler = scheduler
        self._begun_ms = scheduler.now_ms
        known = {topic.id: topic for topic in configured(topics, epoch_blocks, WINDOW_BLOCKS)}
        self.state = ChainState(known, height=epoch_blocks, time_ms=scheduler.now_ms)
        self._first = self.state.height
        self._busy_until = 0
        self._listeners: list[tuple[SimulatedLoop, Listener]] = []
        self.service = ChainService(self.state, self.now)
        self._make_next()

    def now(self) -> float:
        """In seconds."""
        return self._scheduler.now_ms / 1000

    def time_of(self, height: int) -> int:
        """In milliseconds."""
        return self._begun_ms + (height - self._first) * BLOCK_MS

    def next_opening(self, after: int) -> int:
        """The next height at which some window opens."""
        return min(after + 1 + (topic.offset - after - 1) % topic.epoch_blocks for topic in self.state.topics.values())

    def is_busy(self) -> bool:
        """Whether a window is open, or something waits for a block."""
        return bool(self.state.mempool) or self.state.height <= self._busy_until

    def script(self, fault: Fault) -> None:
        """Put a fault into force."""
        self.state.faults.add(fault, self.now())
        if fault.kind == "restart":
            self.state.mempool.clear()

    def heal(self) -> None:
        """Nothing fails any more, not even what was to fail once more."""
        self.state.faults = Faults()

    def listen(self, loop: SimulatedLoop, listener: Listener) -> None:
        """Tell of windows from now on; whoever has ended is told no more."""
        others = [known for known in self._listeners if known[0] is not loop and not known[0].is_closed()]
        self._listeners = [*others, (loop, listener)]

    def catch_up(self) -> None:
        """Make the blocks whose time has come."""
        due = self._first + (self._scheduler.now_ms - self._begun_ms) // BLOCK_MS
        while self.state.height < due:
            if not self.is_busy():
                # Nothing happens in them, so they are only counted.
                self.state.height = max(self.state.height, min(due, self.next_opening(self.state.height)) - 1)
            self._make(self.state.height + 1)

    def _make(self, height: int) -> None:
        opened = self.state.advance(self.time_of(height))
        if not opened:
            return
        self._busy_until = height + WINDOW_BLOCKS + 2
        if any(self.state.faults.lasts(kind, self.now()) for kind in ("restart", "websocket_silence")):
            return
        for loop, listener in self._listeners:
            for topic in opened:
                loop.announce(partial(listener, Opened(topic.id, height, height + topic.window_blocks), height))

    def _make_next(self) -> None:
        self.catch_up()
        following = self.state.height + 1 if self.is_busy() else self.next_opening(self.state.height)
        self._scheduler.call_at(self.time_of(following), self._make_next)


class Client:
    """Stands where `worker.chain` makes a client of the network's package; its network is gone once its process is dead."""

    def __init__(self, chain: InProcessChain, process: Process) -> None:
        self._chain, self._process = chain, process
        for name, path in SERVICES.items():
            setattr(self, name, SimpleNamespace(query=_Query(self, path)))
        self.events = self
        self.grpc_client = SimpleNamespace(close=lambda: None)

    async def ask(self, path: str, request: Any) -> Any:
        """What the chain's service answers; OSError if nobody can ask any more."""
        if self._process.dead:
            raise ConnectionAbortedError("the process was killed")
        self._chain.catch_up()
        stream = _Stream(request)
        await self._chain.service.__mapping__()[path].func(stream)
        return stream.answer

    async def chain_id(self) -> str:
        answer = await self.tendermint.query.get_node_info(GetNodeInfoRequest())
        return str(answer.default_node_info.network)

    async def subscribe_new_block_events_typed(self, _: Any, __: Any, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(loop, SimulatedLoop):
            self._chain.listen(loop, listener)

    async def close(self) -> None:
        """There is no connection."""


class _Query:
    """The package's methods, by the names of the service's."""

    def __init__(self, client: Client, path: str) -> None:
        self._client, self._path = client, path

    def __getattr__(self, name: str) -> Callable[[Any], Awaitable[Any]]:
        method = "".join(part.capitalize() for part in name.split("_"))
        return lambda request: self._client.ask(f"{self._path}/{method}", request)


class _Stream:
    """What a handler of the service reads and writes."""

    def __init__(self, request: Any) -> None:
        self._request, self.answer = request, None

    async def recv_message(self) -> Any:
        return self._request

    async def send_message(self, answer: Any) -> None:
        self.answer = answer
