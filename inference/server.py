"""gunicorn, started from here: one worker process with threads. Models and database are opened in that process, after the fork."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from inference.http_worker import HttpWorker
from node.config import ConfigFile
from node.database_url import check_driver
from node.listening import listening_address
from node.settings import Settings

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


class Service(Protocol):
    """What a worker process serves, and what must end with it."""

    def start(self) -> Any:
        """Begin; the WSGI application."""
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
            "keepalive": KEEPALIVE_SECONDS,
            "graceful_timeout": GRACE_SECONDS,
            "timeout": 30,
            "errorlog": None,
            "logger_class": NodeLogger,
            "proc_name": "inference",
            "control_socket_disable": True,
            "worker_exit": lambda _arbiter, _worker: self._stop(),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        self._service = self._make()
        return self._service.start()

    def _stop(self) -> None:
        if self._service is not None:
            self._service.stop()


def serve(settings: Settings, config: ConfigFile) -> None:
    """Serve until a signal ends it."""
    host, port = settings.inference_host, settings.inference_port
    # Said here: gunicorn would try the port for five seconds, and the worker process for the database for ever.
    listening_address(host, port, host_variable="INFERENCE_HOST", port_variable="INFERENCE_PORT")
    check_driver(settings.database_url)

    config.share()

    def make() -> Service:
        # Imported in the worker process: the parent stays small, and no library has started a thread before the fork.
        from inference.service import InferenceService  # noqa: PLC0415

        config.resume()
        return InferenceService(settings, config)

    Server(host, port, make).run()
