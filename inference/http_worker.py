"""gunicorn's threaded worker with four changes, all held by tests.

A slow client cannot hold up the others: a connection waits for its first byte outside the thread pool, a request that takes too
long to arrive (or whose answer takes too long to be read) is cut off, and goodbyes are said on a thread of their own. The one
large file there is has more time, but not every thread. When more is asked than can be answered, what has waited too long for a
thread is told to come back, so that the queue stays short; numbers and health, which cost next to nothing, are not. And what is not
HTTP at all gets the node's one form of error instead of a page.
"""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any, Final

from gunicorn import util
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from node.errors import error_body

FIRST_BYTE_SECONDS: Final = 10.0
LONGEST_REQUEST_SECONDS: Final = 2.0
"""A request is a few hundred bytes, and its answer fits the socket's buffer."""
LARGE_FILES: Final = "/dashboard/plotly-"
LONGEST_LARGE_FILE_SECONDS: Final = 60.0
"""More than a megabyte that does not fit: a phone needs a while for it. It may keep two threads waiting, but never all of them."""
LARGE_FILES_AT_ONCE: Final = 2
LONGEST_ROUND_SECONDS: Final = 1.0
"""Of the main thread, which waits no longer for something to do. What is beyond this, the process stood still, threads and all."""
LONGEST_WAIT_SECONDS: Final = 1.0
NEVER_TURNED_AWAY: Final = ("/inference/", "/health/", "/metrics")


class HttpWorker(ThreadWorker):  # type: ignore[misc]
    """Everything but `handle` and `handle_error` runs on the worker's main thread."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadlines: dict[TConn, float] = {}
        self._waits: dict[TConn, float] = {}
        self._closing: ThreadPoolExecutor | None = None
        self._looked = time.monotonic()
        self._large_files = threading.BoundedSemaphore(LARGE_FILES_AT_ONCE)

    def init_process(self) -> None:
        self._closing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="closing")
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        """Hand a connection to a thread once there is something to read."""
        if conn.initialized or conn.data_ready:
            self._waits[conn] = time.monotonic()
            super().enqueue_req(conn)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + FIRST_BYTE_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle(self, conn: TConn) -> Any:
        """Read one request and answer it, on a thread of the pool."""
        now = time.monotonic()
        self._deadlines[conn] = now + LONGEST_REQUEST_SECONDS
        self._waits[conn] = now - self._waits.get(conn, now)
        return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer a request that has arrived; a large file is given more time, if not too many are under way."""
        if self._waits.get(conn, 0.0) > LONGEST_WAIT_SECONDS and not req.path.startswith(NEVER_TURNED_AWAY):
            return self._turn_away(conn, "more is asked than can be answered")
        if not req.path.startswith(LARGE_FILES):
            return super().handle_request(req, conn)
        if not self._large_files.acquire(blocking=False):
            return self._turn_away(conn, "others are being sent this file")
        try:
            self._deadlines[conn] = time.monotonic() + LONGEST_LARGE_FILE_SECONDS
            return super().handle_request(req, conn)
        finally:
            self._large_files.release()

    def _turn_away(self, conn: TConn, why: str) -> bool:
        _send(conn.sock, "503 Service Unavailable", error_body("busy", why, "Ask again in a second."), "Retry-After: 1\r\n")
        return False

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Keep the connection for its next request, or say goodbye, which may take as long as the client likes."""
        self._deadlines.pop(conn, None)
        self._waits.pop(conn, None)
        if self._closing is None or fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        self.nr_conns -= 1
        self._closing.submit(conn.close, graceful=True)

    def murder_pending(self) -> None:
        """Called about once a second: cut off what takes too long, here also in the middle of a request."""
        super().murder_pending()
        now = time.monotonic()
        stood_still = max(0.0, now - self._looked - LONGEST_ROUND_SECONDS)
        self._looked = now
        for conn, deadline in list(self._deadlines.items()):
            # While this process stood still, no client was slow; yet none gains more than what every request has.
            due = max(deadline, min(deadline + stood_still, now + LONGEST_REQUEST_SECONDS))
            if due > now:
                self._deadlines[conn] = due
                continue
            self._deadlines.pop(conn, None)
            # Ends the thread's read or write; the thread then goes on to the next request.
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RDWR)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer a request that never reached the application."""
        if isinstance(exc, ParseException):
            status = "400 Bad Request"
            body = error_body("bad_request", "this is not a request that HTTP knows", "GET / lists the routes.")
        else:
            self.log.exception("request failed")
            status = "500 Internal Server Error"
            body = error_body("internal_error", "this should not have happened", "The log of inference says more.")
        with suppress(OSError):
            _send(client, status, body)


def _send(client: socket.socket, status: str, body: bytes, more: str = "") -> None:
    """An answer that the application has no part in."""
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n{more}"
    util.write_nonblock(client, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
