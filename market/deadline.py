"""The deadline of one request, kept by the connection that it uses: looking a name up, connecting, handshake, headers and body."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError


class Limit:
    """The deadline of one request: whichever connection it uses is shut then."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.perf_counter() + seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True
        self._timer.start()

    @property
    def left(self) -> float:
        """Seconds, never less than none."""
        return max(0.0, self._deadline - time.perf_counter())

    @property
    def is_over(self) -> bool:
        return self.left == 0

    def watch(self, connection: socket.socket | None) -> None:
        """From now on this is the connection in use."""
        # By a handle of its own, for TLS takes the socket's away when it wraps it.
        handle = None if connection is None else socket.socket(fileno=os.dup(connection.fileno()))
        self._hold(handle)
        if self.is_over:
            self._shut()

    def end(self) -> None:
        """The request is over, in time or not."""
        self._timer.cancel()
        self._hold(None)

    def _hold(self, handle: socket.socket | None) -> None:
        with self._lock:
            former, self._socket = self._socket, handle
        if former is not None:
            former.close()

    def _shut(self) -> None:
        with self._lock, suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)


class Limits(threading.local):
    """The limit of the request that a thread has under way; `connecting` seconds are for all addresses of a name together."""

    def __init__(self, connecting: float) -> None:
        self.connecting = connecting
        self.current: Limit | None = None

    def begin(self, seconds: float) -> Limit:
        self.current = Limit(seconds)
        return self.current


def bounded_pools(limits: Limits) -> dict[str, type[HTTPConnectionPool]]:
    """Pools whose connections keep to the limit of the request that uses them."""

    class BoundedConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, limits)

        def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
            _watch(limits, self.sock)
            return super().getresponse()

    class BoundedTlsConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, limits)

        def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
            _watch(limits, self.sock)
            return super().getresponse()

    class Pool(HTTPConnectionPool):
        ConnectionCls = BoundedConnection

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = BoundedTlsConnection

    return {"http": Pool, "https": TlsPool}


def _watch(limits: Limits, connection: socket.socket | None) -> None:
    if limits.current is not None:
        limits.current.watch(connection)


def _connect(connection: HTTPConnection, limits: Limits) -> socket.socket:
    """A connection to one of the name's addresses, all of which share the time there is."""
    limit = limits.current
    deadline = time.perf_counter() + min(limits.connecting, limit.left if limit else limits.connecting)
    host = connection._dns_host.strip("[]")
    addresses = _addresses(connection, host, connection.port, deadline)
    problem: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        made = socket.socket(family, kind, protocol)
        try:
            for option in connection.socket_options or []:
                made.setsockopt(*option)
            # Those that refuse at once leave their share to the others.
            made.settimeout(max(0.01, (deadline - time.perf_counter()) / (len(addresses) - number)))
            made.connect(address)
        except OSError as error:
            problem = error
            made.close()
        else:
            _watch(limits, made)
            # What is left to do on it, the handshake first, may take as long as the caller lets one read take.
            made.settimeout(connection.timeout if isinstance(connection.timeout, int | float) else None)
            return made
    if isinstance(problem, TimeoutError):
        raise ConnectTimeoutError(connection, f"none of the {len(addresses)} addresses of {host} took the connection in time")
    raise NewConnectionError(connection, f"none of the {len(addresses)} addresses of {host} took the connection: {problem}")


def _addresses(connection: HTTPConnection, host: str, port: int, deadline: float) -> list[Any]:
    """What the name stands for, as `socket.getaddrinfo` has it; looking it up cannot be interrupted, but left."""
    found: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            found.put(error if isinstance(error, OSError) else socket.gaierror(str(error)))

    threading.Thread(target=look_up, name="name look-up", daemon=True).start()
    try:
        result = found.get(timeout=max(0.01, deadline - time.perf_counter()))
    except queue.Empty:
        raise ConnectTimeoutError(connection, f"{host} was not looked up in time") from None
    if isinstance(result, socket.gaierror):
        raise NameResolutionError(host, connection, result)
    if isinstance(result, OSError) or not result:
        raise NewConnectionError(connection, f"{host} was not found: {result}")
    return result
