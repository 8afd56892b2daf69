"""gunicorn, started from here: one worker process with threads. Models and database are opened in that process, after the fork."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from typing import Any, Final, Protocol

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from inference.http.gunicorn_worker import HttpWorker
from inference.http.limits import max_connections
from node.config import ConfigFile
from node.database_url import check_driver
from node.environment import Settings
from node.listening import listening_address
from node.parent_watchdog import follow_named

THREADS: Final = 8
GRACE_SECONDS: Final = 1
KEEPALIVE_SECONDS: Final = 75
"""Longer than the worker's pause between two submissions, so that it finds its connection open."""


class NodeLogger(Logger):  # type: ignore[misc]
    """gunicorn's own messages go the way of all others; requests are counted in metrics, not logged."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)


class Parent(Arbiter):  # type: ignore[misc]
    """gunicorn's parent process, for which a terminal that is gone means the end and not a reload."""

    def init_signals(self) -> None:
        self._hangs_on = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().init_signals()

    def handle_hup(self) -> None:
        """End, unless whoever started the process had it ignore the signal, as nohup does."""
        if not self._hangs_on:
            self.handle_term()


class Service(Protocol):
    """An application with the loops that must end with it, as a worker process serves it."""

    def start(self) -> Any:
        """Begin; the WSGI application."""
        ...

    def ended(self) -> str:
        """Names of the loops that have ended though they should run, empty if none has."""
        ...

    def stop(self) -> None:
        """End what `start` began."""
        ...


class Server(BaseApplication):  # type: ignore[misc]
    """Serves the service that `make` makes in the worker process."""

    def __init__(self, host: str, port: int, make: Callable[[], Service]) -> None:
        self._host = f"[{host}]" if ":" in host else host
        self._port = port
        self._make = make
        self._service: Service | None = None
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": f"{self._host}:{self._port}",
            "workers": 1,
            "worker_class": HttpWorker,
            "threads": THREADS,
            "worker_connections": max_connections(),
            "keepalive": KEEPALIVE_SECONDS,
            "graceful_timeout": GRACE_SECONDS,
            "timeout": 30,
            "errorlog": None,
            "logger_class": NodeLogger,
            "proc_name": "inference",
            "control_socket_disable": True,
            # What a proxy says of its own caller changes nothing here, so nobody is believed, and nothing can contradict itself.
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
            "forwarder_headers": "",
            "worker_exit": lambda _arbiter, _worker: self._stop(),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        self._service = self._make()
        return self._service.start()

    def run(self) -> None:
        """Serve until a signal ends it."""
        Parent(self).run()

    def ended(self) -> str:
        """Names of the service's loops that have ended though they should run."""
        return self._service.ended() if self._service is not None else ""

    def _stop(self) -> None:
        if self._service is not None:
            self._service.stop()


def serve(settings: Settings, config: ConfigFile) -> None:
    """Serve until a signal ends it."""
    host, port = settings.inference_host, settings.inference_port
    # Checked here: gunicorn would try the port for five seconds, and the worker process for the database for ever.
    listening_address(host, port, host_variable="INFERENCE_HOST", port_variable="INFERENCE_PORT")
    check_driver(settings.database_url)

    config.share()

    def make() -> Service:
        # Imported in the worker process: the parent stays small, and no library has started a thread before the fork.
        from inference.service import InferenceService  # noqa: PLC0415

        # Followed from here, for no thread may be there before the fork; it is the parent that ends, and this process with it.
        follow_named(lambda: os.kill(os.getppid(), signal.SIGTERM))
        config.resume()
        return InferenceService(settings, config)

    Server(host, port, make).run()
