"""gunicorn's threaded worker with changes that are all held by tests.

No client can hold up or shut out the others. A connection has a thread only while a whole request of its own is answered: until
its head has arrived, and while goodbye is said, it costs a descriptor and nothing else, and when there are too many, whoever has
said nothing for the longest makes room. A request that takes too long to arrive, or whose answer takes too long to be read, is cut
off. The one large file there is has more time, but not every thread. When more is asked than can be answered, what has waited too
long for a thread is told to come back, so that the queue stays short; numbers and health, which cost next to nothing, are not. And
what is not HTTP at all gets the node's one form of error instead of a page.
"""

from __future__ import annotations

import errno
import resource
import signal
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any, Final

import structlog
from gunicorn import util
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from node.error_body import error_body

log = structlog.get_logger(__name__)

MOST_CONNECTIONS: Final = 1000
KEPT_DESCRIPTORS: Final = 100
"""Of those that the process may have, for the database, models, logs and whatever else is not a client."""
FEWEST_CONNECTIONS: Final = 16
ACCEPTED_AT_ONCE: Final = 64
NO_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
REST_SECONDS: Final = 0.1
"""Nobody is taken on for so long when there is no room and none can be made: each look at the door would fail again."""

FIRST_BYTE_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 0.5
"""Whoever has said nothing for so long makes room before those who have been answered and may come back."""
LONGEST_REQUEST_SECONDS: Final = 2.0
"""A request is a few hundred bytes, and its answer fits the socket's buffer."""
LARGEST_HEAD_BYTES: Final = 65536
"""What is longer is given to the parser, which refuses it."""
END_OF_HEAD: Final = b"\r\n\r\n"
GOODBYE_SECONDS: Final = 2.0
"""How long a client may take to close once it has its answer."""
LARGE_FILES: Final = "/dashboard/plotly-"
LONGEST_LARGE_FILE_SECONDS: Final = 60.0
"""More than a megabyte that does not fit: a phone needs a while for it. It may keep two threads waiting, but never all of them."""
LARGE_FILES_AT_ONCE: Final = 2
LOOK_SECONDS: Final = 0.05
LONGEST_ROUND_SECONDS: Final = 1.0 + LOOK_SECONDS
"""Of the main thread, which waits no longer for something to do. What is beyond this, the process stood still, threads and all."""
LONGEST_WAIT_SECONDS: Final = 1.0
NEVER_TURNED_AWAY: Final = ("/inference/", "/health/", "/metrics")


def most_connections() -> int:
    """How many clients may be connected at once: what the limit on descriptors leaves, and never more than can be looked after."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MOST_CONNECTIONS if descriptors == resource.RLIM_INFINITY else descriptors - KEPT_DESCRIPTORS
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, allowed))


class HttpWorker(ThreadWorker):  # type: ignore[misc]
    """Everything but `handle`, `handle_request` and `handle_error` runs on the worker's main thread."""

    alive: bool

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._heads: dict[TConn, bytearray] = {}
        """What has arrived of heads that are not whole, the connection that has been waited for the longest first."""
        self._due: dict[TConn, float] = {}
        """When connections without a whole head are cut off."""
        self._leaving: dict[TConn, float] = {}
        """When connections that have had their last answer are closed, if the client does not close before."""
        self._deadlines: dict[TConn, float] = {}
        self._waits: dict[TConn, float] = {}
        self._looked = time.monotonic()
        self._rests_until = 0.0
        self._large_files = threading.BoundedSemaphore(LARGE_FILES_AT_ONCE)

    def init_signals(self) -> None:
        """The parent decides what a terminal that is gone means."""
        super().init_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    # Taking clients on

    def set_accept_enabled(self, enabled: bool) -> None:
        """Clients are taken on as long as this process lives: when there are too many, somebody makes room."""
        super().set_accept_enabled(self.alive and time.monotonic() >= self._rests_until)

    def accept(self, listener: Any) -> None:
        """Take on whoever waits at the door; the silent ones make room."""
        for _ in range(ACCEPTED_AT_ONCE):
            if self.nr_conns >= self.worker_connections and not self._make_room():
                self._rests_until = time.monotonic() + REST_SECONDS
                return
            try:
                client, address = listener.accept()
            except OSError as error:
                if error.errno in NO_ROOM:
                    if self._make_room():
                        continue
                    self._rests_until = time.monotonic() + REST_SECONDS
                elif error.errno == errno.ECONNABORTED:
                    continue
                elif error.errno not in {errno.EAGAIN, errno.EWOULDBLOCK}:
                    raise
                return
            self.nr_conns += 1
            self._await_head(TConn(self.cfg, client, address, listener.getsockname()), FIRST_BYTE_SECONDS)

    def _make_room(self) -> bool:
        """Close the connection that is missed the least; False if every one is being answered."""
        silent = next(iter(self._heads), None)
        if self._leaving:
            self._close(next(iter(self._leaving)))
        elif silent is not None and (self._is_silent(silent) or not self.keepalived_conns):
            self._close(silent)
        elif self.keepalived_conns:
            self._close(self.keepalived_conns.popleft())
        else:
            return False
        return True

    def _is_silent(self, conn: TConn) -> bool:
        """Whether it has had the time to say something; whoever has just come may still do so."""
        return time.monotonic() > self._due[conn] - FIRST_BYTE_SECONDS + SILENT_SECONDS

    def _close(self, conn: TConn) -> None:
        for known in (self._heads, self._due, self._leaving):
            known.pop(conn, None)
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    # Hearing them out

    def _await_head(self, conn: TConn, seconds: float, begun: bytes = b"") -> None:
        """Wait for a request's head, without a thread, no longer than `seconds` for its first byte."""
        conn.sock.setblocking(False)
        self._heads[conn] = bytearray(begun)
        self._due[conn] = time.monotonic() + (LONGEST_REQUEST_SECONDS if begun else seconds)
        self.poller.register(conn.sock, EVENT_READ, partial(self._read_head, conn))

    def _read_head(self, conn: TConn, _: Any = None) -> None:
        """There is something to read; hand the connection to a thread once its request's head is whole."""
        head = self._heads.get(conn)
        if head is None:
            return  # it made room for somebody in this very round
        try:
            part = conn.sock.recv(LARGEST_HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            part = b""
        if not part:
            self._close(conn)
            return
        if not head:
            self._due[conn] = time.monotonic() + LONGEST_REQUEST_SECONDS
        head += part
        self._answer_if_whole(conn)

    def _answer_if_whole(self, conn: TConn) -> None:
        head = self._heads[conn]
        if END_OF_HEAD not in head and len(head) < LARGEST_HEAD_BYTES:
            return
        del self._heads[conn], self._due[conn]
        self.poller.unregister(conn.sock)
        conn.init()
        conn.parser.unreader.unread(bytes(head))
        conn.data_ready = True
        self.enqueue_req(conn)

    def enqueue_req(self, conn: TConn) -> None:
        """Hand a connection to a thread; from here on it waits for one."""
        self._waits[conn] = time.monotonic()
        super().enqueue_req(conn)

    def on_client_socket_readable(self, conn: TConn, client: Any) -> None:
        """A client that had been answered before says something again."""
        if conn not in self.keepalived_conns:
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await_head(conn, LONGEST_REQUEST_SECONDS)
        self._read_head(conn)

    # Answering, on the threads of the pool

    def handle(self, conn: TConn) -> Any:
        """Read one request and answer it."""
        now = time.monotonic()
        self._deadlines[conn] = now + LONGEST_REQUEST_SECONDS
        self._waits[conn] = now - self._waits.get(conn, now)
        return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer a request that has arrived; a large file is given more time, if not too many are under way."""
        if _has_body(req):
            req.force_close()  # nothing here reads a body, and no thread waits for one to arrive
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

    # Afterwards

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Keep the connection for its next request, or say goodbye."""
        self._deadlines.pop(conn, None)
        self._waits.pop(conn, None)
        try:
            if fs.cancelled() or fs.exception() is not None or not fs.result():
                self._say_goodbye(conn)
            elif conn.parser is not None and (begun := conn.parser.unreader.take_buffered()):
                self._await_head(conn, LONGEST_REQUEST_SECONDS, begun)
                self._answer_if_whole(conn)
            else:
                super().finish_request(conn, fs)
        except (OSError, ValueError):
            self._close(conn)

    def _say_goodbye(self, conn: TConn) -> None:
        """Say that nothing more will come, and let the client close: what closes first may take the answer back."""
        conn.sock.setblocking(False)
        conn.sock.shutdown(socket.SHUT_WR)
        self._leaving[conn] = time.monotonic() + GOODBYE_SECONDS
        self.poller.register(conn.sock, EVENT_READ, partial(self._hear_out, conn))

    def _hear_out(self, conn: TConn, _: Any) -> None:
        if conn not in self._leaving:
            return
        try:
            said = conn.sock.recv(LARGEST_HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            said = b""
        if not said:
            self._close(conn)

    def murder_pending(self) -> None:
        """Called in every round: a few times a second, cut off what takes too long, here also in the middle of a request."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        stood_still = max(0.0, now - self._looked - LONGEST_ROUND_SECONDS)
        self._looked = now
        for conn in [conn for conn, due in self._leaving.items() if due <= now]:
            self._close(conn)
        for conn in _late(self._due, now, stood_still):
            self._close(conn)
        for conn in _late(self._deadlines, now, stood_still):
            self._deadlines.pop(conn, None)
            # Ends the thread's read or write; the thread then goes on to the next request.
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RDWR)

    def notify(self) -> None:
        """Called in every round: tell the parent that this process lives; one whose loops have ended makes way for another."""
        super().notify()
        ended = self.app.ended()
        if ended and self.alive:
            log.error("a loop has ended, so the serving process ends to be started again", loop=ended)
            self.alive = False


def _late(deadlines: dict[TConn, float], now: float, stood_still: float) -> list[TConn]:
    """Whose time is over. While this process stood still, no client was slow; yet none gains more than what every request has."""
    late = []
    for conn, deadline in list(deadlines.items()):
        due = max(deadline, min(deadline + stood_still, now + LONGEST_REQUEST_SECONDS))
        if due > now:
            deadlines[conn] = due
        else:
            late.append(conn)
    return late


def _has_body(request: Any) -> bool:
    """Whether something of a request is still to be read behind its head."""
    reader = getattr(getattr(request, "body", None), "reader", None)
    return reader is not None and getattr(reader, "length", None) != 0


def _send(client: socket.socket, status: str, body: bytes, more: str = "") -> None:
    """An answer that the application has no part in."""
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n{more}"
    util.write_nonblock(client, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
