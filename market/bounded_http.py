"""One HTTP GET that ends: bounded in size and in time as a whole, not only in the pauses between two bytes.

A socket's read time-out starts again with every byte, so that a server which sends one byte now and then can hold a client for
ever. Here the body is taken as it arrives and the time is looked at after every part; while the headers are awaited, the
connection is shut at the deadline.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, NoReturn

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from node.errors import ExchangeUnreachableError

LARGEST_BODY: Final = 4_000_000
"""In bytes; a page of 1000 candles has about 200,000."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    headers: CaseInsensitiveDict[str]
    body: bytes

    def json(self) -> Any:
        """The body; ValueError if it is not JSON, or holds a NaN, which JSON does not have."""
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    @property
    def sent_ms(self) -> int | None:
        """The server's time in its Date header, in whole seconds; None if it tells none."""
        try:
            return round(parsedate_to_datetime(self.headers.get("Date", "")).timestamp()) * 1000
        except (TypeError, ValueError, OverflowError):
            return None

    @property
    def start(self) -> str:
        """The beginning of the body, for messages."""
        return repr(self.body[:80].decode("utf-8", "replace"))


def earlier(now_ms: int, answer: Answer) -> int:
    """The earlier of our time and the server's, which its Date header tells in whole seconds.

    With a clock that runs ahead, the candle still forming would pass for a closed one.
    """
    sent_ms = answer.sent_ms
    return now_ms if sent_ms is None else min(now_ms, sent_ms + 999)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class BoundedHttp:
    """GET requests of at most `total_timeout` seconds each; `timeouts` are those of connecting and of one read.

    An answer longer than `largest_body` bytes is given up.
    """

    def __init__(self, timeouts: tuple[float, float], total_timeout: float, largest_body: int = LARGEST_BODY) -> None:
        self._timeouts, self._total_timeout, self._largest_body = timeouts, total_timeout, largest_body
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "allora-worker-node"
        adapter = HTTPAdapter()
        adapter.poolmanager.pool_classes_by_scheme = _pools(total_timeout)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def get(self, url: str, query: dict[str, Any]) -> Answer:
        """The answer, whatever its status; ExchangeUnreachableError if there is none, or not all of it, in time."""
        deadline = time.perf_counter() + self._total_timeout
        try:
            with self._session.get(url, params=query, timeout=self._timeouts, stream=True, allow_redirects=False) as response:
                return Answer(response.status_code, response.headers, _read_body(response, deadline, self._largest_body))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise ExchangeUnreachableError(f"{url}: {_reason(error)}", hint="It is asked again with the next candle.") from None

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()


def _read_body(response: requests.Response, deadline: float, largest: int) -> bytes:
    body = bytearray()
    while True:
        # read1 hands over what has arrived; read would wait until there is enough of it.
        part = response.raw.read1(65_536, decode_content=True)
        if time.perf_counter() > deadline:
            raise requests.Timeout
        body += part
        if len(body) > largest:
            raise requests.RequestException(f"the answer is longer than {largest} bytes")
        if not part:
            return bytes(body)


def _reason(error: Exception) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)[:200] or type(error).__name__


def _pools(seconds: float) -> dict[str, type[HTTPConnectionPool]]:
    """Pools whose connections wait no longer than `seconds` for the headers of an answer."""

    class BoundedConnection(HTTPConnection):
        def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
            with _shut_after(seconds, self.sock):
                return super().getresponse()

    class BoundedTlsConnection(HTTPSConnection):
        def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
            with _shut_after(seconds, self.sock):
                return super().getresponse()

    class Pool(HTTPConnectionPool):
        ConnectionCls = BoundedConnection

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = BoundedTlsConnection

    return {"http": Pool, "https": TlsPool}


@contextmanager
def _shut_after(seconds: float, connection: socket.socket) -> Iterator[None]:
    timer = threading.Timer(seconds, _shut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
