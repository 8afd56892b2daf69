"""`python -m inference.gateway`: the published port of a container that has no way out itself.

A container in a network without egress can publish no port. This process stands in that network and in one that can, and passes
connections on to inference, byte for byte. It knows nothing of what it carries, and opens a connection for nobody but a caller.
"""

from __future__ import annotations

import asyncio
import signal
from asyncio import StreamReader, StreamWriter
from typing import Final
from urllib.parse import urlsplit

import structlog

from node.errors import NodeError
from node.listening import listening_address
from node.logs import configure_logs
from node.settings import Settings, load_settings
from node.start import exit_for

log = structlog.get_logger(__name__)

CHUNK: Final = 65536
MOST_CONNECTIONS: Final = 500
CONNECT_SECONDS: Final = 3
"""Inference listens or it does not; waiting longer helps nobody."""


class Gateway:
    """Carries connections to `target` while it is entered; `port` is where it listens."""

    def __init__(self, host: str, port: int, target: tuple[str, int]) -> None:
        self.host = host
        self.port = port
        self._target = target
        self._open = 0

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
            if self._open <= MOST_CONNECTIONS:
                await self._connect(caller, to_caller)
        except (OSError, TimeoutError) as error:
            log.debug("not connected", error=error)
        finally:
            self._open -= 1
            to_caller.close()

    async def _connect(self, caller: StreamReader, to_caller: StreamWriter) -> None:
        service, to_service = await asyncio.wait_for(asyncio.open_connection(*self._target), CONNECT_SECONDS)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(caller, to_service))
                both.create_task(_copy(service, to_caller))
        except* OSError as errors:
            log.debug("a connection broke", error=errors.exceptions[0])
        finally:
            to_service.close()


async def _copy(source: StreamReader, sink: StreamWriter) -> None:
    """Everything from `source` into `sink`, and then its end."""
    while data := await source.read(CHUNK):
        sink.write(data)
        await sink.drain()
    sink.write_eof()


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    target = urlsplit(settings.inference_url)
    usual = 443 if target.scheme == "https" else 80
    host, port = settings.inference_host, settings.inference_port
    listening_address(host, port, host_variable="INFERENCE_HOST", port_variable="INFERENCE_PORT")
    await Gateway(host, port, (target.hostname or "", target.port or usual)).serve(stop)


def main() -> None:
    """Carry until a signal ends it."""
    try:
        settings = load_settings()
        configure_logs("gateway", settings.log_level, settings.log_format)
        asyncio.run(_serve(settings))
    except NodeError as error:
        exit_for(error)


if __name__ == "__main__":
    main()
