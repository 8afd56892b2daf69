"""Health of a process as named checks, and the small status server of the processes that have no web application."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from node.error_body import error_body
from node.errors import ConfigError, NodeError
from node.listening import listening_address

log = structlog.get_logger(__name__)

LIVE_PATH = "/health/live"
READY_PATH = "/health/ready"
METRICS_PATH = "/metrics"

MAX_CONNECTIONS: Final = 32
"""At once, each with its thread. Whoever comes then takes the place of the one that has been there the longest."""
MAX_CONNECTION_SECONDS: Final = 10.0
"""A scrape over a database that is busy takes seconds; whoever is longer about it says nothing, or does not read."""
BACKLOG: Final = 128

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Check:
    """One named thing that is well or not, and what to do about it."""

    name: str
    ok: bool
    detail: str = ""
    hint: str = ""


def report(checks: Sequence[Check]) -> tuple[int, dict[str, object]]:
    """HTTP status and JSON body: 200 only if every check is well."""
    ready = all(check.ok for check in checks)
    return (200 if ready else 503), {"status": "ready" if ready else "not ready", "checks": [asdict(check) for check in checks]}


def live_report(ended: str) -> tuple[int, dict[str, object]]:
    """The same for liveness: 503 if loops have `ended` that should run."""
    return (503, {"status": f"a loop has ended: {ended}"}) if ended else (200, {"status": "live"})


class StatusServer:
    """Serves /health/live, /health/ready and /metrics on a thread of its own. `ended` names loops that should run and do not."""

    def __init__(
        self,
        host: str,
        port: int,
        checks: Callable[[], Sequence[Check]],
        registry: CollectorRegistry,
        ended: Callable[[], str] = lambda: "",
    ) -> None:
        family, address = listening_address(host, port, host_variable="STATUS_HOST", port_variable="UPDATER_PORT or WORKER_PORT")
        try:
            self._server = _server_of(family)(address[:2], _handler(checks, registry, ended))
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}", hint="Is the node running already?") from None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="status", daemon=True)

    @property
    def alive(self) -> bool:
        """False once its thread has ended."""
        return self._thread.ident is None or self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A thread a connection, but never more than there may be, and none for ever."""

    daemon_threads = True
    request_queue_size = BACKLOG

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: dict[Any, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open[request] = time.monotonic()
            while len(self._open) > MAX_CONNECTIONS:
                self._cut_off(next(iter(self._open)))
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called twice a second: cut off whoever takes too long."""
        now = time.monotonic()
        with self._lock:
            for request in [each for each, since in self._open.items() if now - since > MAX_CONNECTION_SECONDS]:
                self._cut_off(request)

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError:
            # Without a descriptor nobody can be taken on, and whoever waits for it makes the listener ready again and again.
            time.sleep(0.05)
            raise

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""

    def _cut_off(self, request: Any) -> None:
        """Ends its thread's reading or writing; the thread closes the connection."""
        self._open.pop(request, None)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


def _server_of(family: socket.AddressFamily) -> type[_Server]:
    """The server for addresses of a family, which the library wants to know of the class."""
    return type("_ServerOfFamily", (_Server,), {"address_family": family})


def _handler(
    checks: Callable[[], Sequence[Check]], registry: CollectorRegistry, ended: Callable[[], str]
) -> type[BaseHTTPRequestHandler]:
    def live() -> tuple[int, str, bytes]:
        status, body = live_report(ended())
        return status, JSON, json.dumps(body).encode()

    def ready() -> tuple[int, str, bytes]:
        status, body = report(checks())
        return status, JSON, json.dumps(body).encode()

    def metrics() -> tuple[int, str, bytes]:
        return 200, CONTENT_TYPE_LATEST, generate_latest(registry)

    class Handler(_Handler):
        routes: ClassVar = {LIVE_PATH: live, READY_PATH: ready, METRICS_PATH: metrics}

    return Handler


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD on its `routes`, and everything else with an error in the one form."""

    routes: ClassVar[dict[str, Callable[[], tuple[int, str, bytes]]]]
    timeout = 5
    server_version = "node"
    sys_version = ""

    def do_GET(self) -> None:
        route = self.routes.get(urlsplit(self.path).path)
        if route is None:
            known = f"This port serves {LIVE_PATH}, {READY_PATH} and {METRICS_PATH}."
            self._answer(404, JSON, error_body("not_found", "no such route", known))
            return
        try:
            answer = route()
        except NodeError as error:
            answer = 503, JSON, error_body(error.code, error.message, error.hint)
        except Exception as error:
            log.warning("health cannot be told", error=error)
            message = f"this cannot be told: {type(error).__name__}"
            answer = 503, JSON, error_body("internal_error", message, "The log says more: is the database damaged?")
        self._answer(*answer)

    do_HEAD = do_GET  # noqa: N815 -- the library's own name

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses by itself leaves in the one form as well."""
        if code == 501:
            self._answer(405, JSON, error_body("method_not_allowed", "method not allowed", "Every route is read with GET."))
        else:
            self._answer(code, JSON, error_body("bad_request", "this is not a request that HTTP knows", ""))

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 405:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Health checks are not news."""
