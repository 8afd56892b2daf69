"""How every process begins and ends: settings, config, logs, a stop event set by SIGTERM, exit code 2 for a bad config."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from node.config import ConfigFile
from node.errors import ConfigError, NodeError
from node.logs import configure_logs
from node.proxies import keep_loopback_direct
from node.secrets import hide
from node.settings import Settings, load_settings

EXIT_BAD_CONFIG = 2


def exit_for(error: NodeError) -> NoReturn:
    """Print what is wrong and what to do, and leave with the exit code for it."""
    print(hide(f"error: {error.message}"), file=sys.stderr)
    if error.hint:
        print(hide(f"hint: {error.hint}"), file=sys.stderr)
    sys.exit(EXIT_BAD_CONFIG if isinstance(error, ConfigError) else 1)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def start(process: str, run: Callable[[Settings, ConfigFile], int | None]) -> NoReturn:
    """Load settings and config, configure logs, then hand over to `run`; its result is the exit code."""
    keep_loopback_direct()
    try:
        settings = load_settings()
        configure_logs(process, settings.log_level, settings.log_format)
        config = ConfigFile(settings.config_file, settings.config_overrides)
        sys.exit(run(settings, config) or 0)
    except NodeError as error:
        exit_for(error)
    except KeyboardInterrupt:
        sys.exit(130)
