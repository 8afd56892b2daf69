"""`python -m inference.http.tcp_proxy`: the published port of a container that has no way out itself.

A container in a network without egress can publish no port. This process stands in that network and in one that can, and passes
connections on to inference, byte for byte. It knows nothing of what it carries, and opens a connection for nobody but a caller who
has sent something. When there are too many, the caller who waits for nothing and has been silent for the longest makes room.
"""

from __future__ import annotations

import asyncio
import resource
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import structlog

from node.environment import Settings, load_settings
from node.errors import NodeError
from node.listening import listening_address
from node.logs import configure_logs
from node.parent_watchdog import follow_named
from node.start import end_signals, exit_for

log = structlog.get_logger(__name__)

CHUNK_BYTES: Final = 65536
MAX_CONNECTIONS: Final = 500
RESERVED_DESCRIPTORS: Final = 32
"""Descriptors of the process that are not for callers, of whom each takes two."""
MAX_FIRST_BYTE_SECONDS: Final = 10
MAX_CONNECT_SECONDS: Final = 3
"""Inference listens or it does not; waiting longer helps nobody."""


def max_connections() -> int:
    """The number of callers that may be connected at once: as many as the limit on descriptors leaves, up to MAX_CONNECTIONS."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    unbounded = descriptors == resource.RLIM_INFINITY
    return MAX_CONNECTIONS if unbounded else max(1, min(MAX_CONNECTIONS, (descriptors - RESERVED_DESCRIPTORS) // 2))


class TcpProxy:
    """Carries connections to `target` while it is entered; `port` is where it listens."""

    def __init__(self, host: str, port: int, target: tuple[str, int]) -> None:
        self.host = host
        self.port = port
        self._target = target
        self._open = 0
        self._idle: dict[StreamWriter, None] = {}
        """Callers who wait for no answer, the longest idle first."""

    async def serve(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set; OSError if the port is taken."""
        server = await asyncio.start_server(self._carry, self.host, self.port)
        self.port = int(server.sockets[0].getsockname()[1])
        log.info("gateway started", port=self.port, target="{}:{}".format(*self._target))
        await stop.wait()
        server.close()

    async def _carry(self, caller: StreamReader, to_caller: StreamWriter) -> None:
        """One connection from its beginning to its end. A caller whom inference does not take on is hung up on at once."""
        self._open += 1
        try:
            if self._open > max_connections() and not self._make_room():
                return
            self._idle[to_caller] = None
            begun = await asyncio.wait_for(caller.read(CHUNK_BYTES), MAX_FIRST_BYTE_SECONDS)
            self._idle.pop(to_caller, None)
            if begun:
                await self._connect(begun, caller, to_caller)
        except (OSError, TimeoutError) as error:
            log.debug("not connected", error=error)
        finally:
            self._open -= 1
            self._idle.pop(to_caller, None)
            to_caller.close()

    def _make_room(self) -> bool:
        """Hang up on the longest idle caller; False if everybody waits for an answer."""
        longest = next(iter(self._idle), None)
        if longest is None:
            return False
        del self._idle[longest]
        longest.transport.abort()
        return True

    async def _connect(self, begun: bytes, caller: StreamReader, to_caller: StreamWriter) -> None:
        service, to_service = await asyncio.wait_for(asyncio.open_connection(*self._target), MAX_CONNECT_SECONDS)
        try:
            to_service.write(begun)
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(caller, to_service, lambda: self._idle.pop(to_caller, None)))
                both.create_task(_copy(service, to_caller, lambda: self._rest(to_caller)))
        except* OSError as errors:
            log.debug("a connection broke", error=errors.exceptions[0])
        finally:
            to_service.close()

    def _rest(self, to_caller: StreamWriter) -> None:
        self._idle.pop(to_caller, None)
        self._idle[to_caller] = None


async def _copy(source: StreamReader, sink: StreamWriter, on_piece: Callable[[], object]) -> None:
    """Everything from `source` into `sink`, and then its end; `on_piece` is called with each piece's arrival."""
    while data := await source.read(CHUNK_BYTES):
        on_piece()
        sink.write(data)
        await sink.drain()
    sink.write_eof()


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in end_signals():
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    target = urlsplit(settings.inference_url)
    usual = 443 if target.scheme == "https" else 80
    host, port = settings.inference_host, settings.inference_port
    listening_address(host, port, host_variable="INFERENCE_HOST", port_variable="INFERENCE_PORT")
    await TcpProxy(host, port, (target.hostname or "", target.port or usual)).serve(stop)


def main() -> None:
    """Carry until a signal ends it."""
    try:
        settings = load_settings()
        configure_logs("gateway", settings.log_level, settings.log_format)
        follow_named()
        asyncio.run(_serve(settings))
    except NodeError as error:
        exit_for(error)


if __name__ == "__main__":
    main()
