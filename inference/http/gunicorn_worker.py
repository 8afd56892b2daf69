"""gunicorn's threaded worker with changes that are all held by tests.

No client can hold up or shut out the others. A connection has a thread only while a whole request of its own is answered: until
its head has arrived, and while it is being closed, it costs a descriptor and nothing else. When there are too many connections, the
client that has sent nothing for the longest makes room. A request that takes too long to arrive, or whose answer takes too long to
be read, is cut off. The one large file has more time, but not every thread. When more is asked than can be answered, a request that
has waited too long for a thread is told to come back, so that the queue stays short; numbers and health, which cost little,
are always answered. What is not HTTP at all gets the node's one form of error instead of a page.
"""

from __future__ import annotations

import errno
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
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from inference.http.deadlines import Deadlines, standstill_seconds
from inference.http.early_answers import has_body, send_bad_request, send_busy, send_internal_error
from inference.http.limits import (
    ACCEPT_PAUSE_SECONDS,
    CHECK_SECONDS,
    LARGE_FILES,
    MAX_ACCEPTS_PER_ROUND,
    MAX_CLOSING_SECONDS,
    MAX_FIRST_BYTE_SECONDS,
    MAX_HEAD_BYTES,
    MAX_LARGE_FILE_SECONDS,
    MAX_LARGE_FILES_AT_ONCE,
    MAX_REQUEST_SECONDS,
    MAX_WAIT_SECONDS,
    NEVER_TURNED_AWAY,
    SILENT_SECONDS,
)

log = structlog.get_logger(__name__)

OUT_OF_RESOURCES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
END_OF_HEAD: Final = b"\r\n\r\n"


class HttpWorker(ThreadWorker):  # type: ignore[misc]
    """Everything but `handle`, `handle_request` and `handle_error` runs on the worker's main thread."""

    alive: bool

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._heads: dict[TConn, bytearray] = {}
        """The parts of heads that have arrived but are not whole, the connection that has been waited for the longest first."""
        self._head_deadlines: Deadlines[TConn] = Deadlines()
        """When connections without a whole head are cut off."""
        self._closing: dict[TConn, float] = {}
        """When connections that have had their last answer are closed, if the client does not close before."""
        self._answer_deadlines: Deadlines[TConn] = Deadlines()
        """When connections whose request is being answered are cut off."""
        self._waits: dict[TConn, float] = {}
        """When connections began to wait for a thread, and then for how many seconds they waited."""
        self._checked = time.monotonic()
        self._pauses_until = 0.0
        self._large_files = threading.BoundedSemaphore(MAX_LARGE_FILES_AT_ONCE)

    def init_signals(self) -> None:
        """The parent decides what a terminal that is gone means."""
        super().init_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    # Accepting clients

    def set_accept_enabled(self, enabled: bool) -> None:
        """Clients are accepted as long as this process lives: when there are too many, one makes room."""
        super().set_accept_enabled(self.alive and time.monotonic() >= self._pauses_until)

    def accept(self, listener: Any) -> None:
        """Accept the clients that wait to be connected; the silent ones make room."""
        for _ in range(MAX_ACCEPTS_PER_ROUND):
            if self.nr_conns >= self.worker_connections and not self._make_room():
                self._pauses_until = time.monotonic() + ACCEPT_PAUSE_SECONDS
                return
            try:
                client, address = listener.accept()
            except OSError as error:
                if error.errno in OUT_OF_RESOURCES:
                    if self._make_room():
                        continue
                    self._pauses_until = time.monotonic() + ACCEPT_PAUSE_SECONDS
                elif error.errno == errno.ECONNABORTED:
                    continue
                elif error.errno not in {errno.EAGAIN, errno.EWOULDBLOCK}:
                    raise
                return
            self.nr_conns += 1
            self._await_head(TConn(self.cfg, client, address, listener.getsockname()), MAX_FIRST_BYTE_SECONDS)

    def _make_room(self) -> bool:
        """Close the connection that is missed the least; False if every one is being answered."""
        silent = next(iter(self._heads), None)
        if self._closing:
            self._close(next(iter(self._closing)))
        elif silent is not None and (self._is_silent(silent) or not self.keepalived_conns):
            self._close(silent)
        elif self.keepalived_conns:
            self._close(self.keepalived_conns.popleft())
        else:
            return False
        return True

    def _is_silent(self, conn: TConn) -> bool:
        """True if it has had the time to send something; whoever has just come may still do so."""
        return time.monotonic() > self._head_deadlines[conn] - MAX_FIRST_BYTE_SECONDS + SILENT_SECONDS

    def _close(self, conn: TConn) -> None:
        self._heads.pop(conn, None)
        self._head_deadlines.discard(conn)
        self._closing.pop(conn, None)
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    # Reading requests

    def _await_head(self, conn: TConn, seconds: float, begun: bytes = b"") -> None:
        """Wait for a request's head, without a thread, no longer than `seconds` for its first byte."""
        conn.sock.setblocking(False)
        self._heads[conn] = bytearray(begun)
        self._head_deadlines[conn] = time.monotonic() + (MAX_REQUEST_SECONDS if begun else seconds)
        self.poller.register(conn.sock, EVENT_READ, partial(self._read_head, conn))

    def _read_head(self, conn: TConn, _: Any = None) -> None:
        """There is something to read; hand the connection to a thread once its request's head is whole."""
        head = self._heads.get(conn)
        if head is None:
            return  # it made room for somebody in this very round
        try:
            part = conn.sock.recv(MAX_HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            part = b""
        if not part:
            self._close(conn)
            return
        if not head:
            self._head_deadlines[conn] = time.monotonic() + MAX_REQUEST_SECONDS
        head += part
        self._answer_if_whole(conn)

    def _answer_if_whole(self, conn: TConn) -> None:
        head = self._heads[conn]
        if END_OF_HEAD not in head and len(head) < MAX_HEAD_BYTES:
            return
        del self._heads[conn]
        self._head_deadlines.discard(conn)
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
        """A client that had been answered before sends something again."""
        if conn not in self.keepalived_conns:
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await_head(conn, MAX_REQUEST_SECONDS)
        self._read_head(conn)

    # Answering, on the threads of the pool

    def handle(self, conn: TConn) -> Any:
        """Read one request and answer it."""
        now = time.monotonic()
        self._answer_deadlines[conn] = now + MAX_REQUEST_SECONDS
        self._waits[conn] = now - self._waits.get(conn, now)
        return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer a request that has arrived; a large file is given more time, if not too many are under way."""
        if has_body(req):
            req.force_close()  # nothing here reads a body, and no thread waits for one to arrive
        if self._waits.get(conn, 0.0) > MAX_WAIT_SECONDS and not req.path.startswith(NEVER_TURNED_AWAY):
            return self._turn_away(conn, "more is asked than can be answered")
        if not req.path.startswith(LARGE_FILES):
            return super().handle_request(req, conn)
        if not self._large_files.acquire(blocking=False):
            return self._turn_away(conn, "others are being sent this file")
        try:
            self._answer_deadlines[conn] = time.monotonic() + MAX_LARGE_FILE_SECONDS
            return super().handle_request(req, conn)
        finally:
            self._large_files.release()

    def _turn_away(self, conn: TConn, why: str) -> bool:
        send_busy(conn.sock, why)
        return False

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer a request that never reached the application."""
        with suppress(OSError):
            if isinstance(exc, ParseException):
                send_bad_request(client)
            else:
                self.log.exception("request failed")
                send_internal_error(client)

    # Afterwards

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Keep the connection for its next request, or begin to close it."""
        self._answer_deadlines.discard(conn)
        self._waits.pop(conn, None)
        try:
            if fs.cancelled() or fs.exception() is not None or not fs.result():
                self._begin_closing(conn)
            elif conn.parser is not None and (begun := conn.parser.unreader.take_buffered()):
                self._await_head(conn, MAX_REQUEST_SECONDS, begun)
                self._answer_if_whole(conn)
            else:
                super().finish_request(conn, fs)
        except (OSError, ValueError):
            self._close(conn)

    def _begin_closing(self, conn: TConn) -> None:
        """Say that nothing more will come, and let the client close: what closes first may take the answer back."""
        conn.sock.setblocking(False)
        conn.sock.shutdown(socket.SHUT_WR)
        self._closing[conn] = time.monotonic() + MAX_CLOSING_SECONDS
        self.poller.register(conn.sock, EVENT_READ, partial(self._read_until_closed, conn))

    def _read_until_closed(self, conn: TConn, _: Any) -> None:
        if conn not in self._closing:
            return
        try:
            part = conn.sock.recv(MAX_HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            part = b""
        if not part:
            self._close(conn)

    def murder_pending(self) -> None:
        """Called in every round: a few times a second, cut off what takes too long, here also in the middle of a request."""
        now = time.monotonic()
        if now - self._checked < CHECK_SECONDS:
            return
        stood_still = standstill_seconds(self._checked, now)
        self._checked = now
        for conn in [conn for conn, due in self._closing.items() if due <= now]:
            self._close(conn)
        for conn in self._head_deadlines.take_late(now, stood_still):
            self._close(conn)
        for conn in self._answer_deadlines.take_late(now, stood_still):
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
