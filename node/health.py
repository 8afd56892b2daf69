"""Health of a process as named checks, and the small status server of the processes that have no web application."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from node.errors import ConfigError, error_body
from node.listening import listening_address

LIVE_PATH = "/health/live"
READY_PATH = "/health/ready"
METRICS_PATH = "/metrics"


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


class StatusServer:
    """Serves /health/live, /health/ready and /metrics on a thread of its own."""

    def __init__(self, host: str, port: int, checks: Callable[[], Sequence[Check]], registry: CollectorRegistry) -> None:
        family, address = listening_address(host, port, host_variable="STATUS_HOST", port_variable="UPDATER_PORT or WORKER_PORT")
        server = type("_Server", (ThreadingHTTPServer,), {"address_family": family})
        try:
            self._server: ThreadingHTTPServer = server(address[:2], _handler(checks, registry))
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}", hint="Is the node running already?") from None
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="status", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(checks: Callable[[], Sequence[Check]], registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5
        server_version = "node"
        sys_version = ""

        def do_GET(self) -> None:
            if self.path == LIVE_PATH:
                self._answer(200, "application/json", b'{"status": "live"}')
            elif self.path == READY_PATH:
                status, body = report(checks())
                self._answer(status, "application/json", json.dumps(body).encode())
            elif self.path == METRICS_PATH:
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            else:
                known = f"This port serves {LIVE_PATH}, {READY_PATH} and {METRICS_PATH}."
                self._answer(404, "application/json", error_body("not_found", "no such route", known))

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Health checks are not news."""

    return Handler
