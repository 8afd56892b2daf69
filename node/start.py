"""How every process begins and ends: settings, config, logs, a stop event set by SIGTERM, exit code 2 for a bad config."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import Final, NoReturn

from node.config import ConfigFile
from node.environment import Settings, load_settings
from node.errors import ConfigError, NodeError
from node.lines import LineWriter
from node.logs import configure_logs
from node.parent_watchdog import follow_named
from node.proxies import keep_loopback_direct
from node.secrets import hide

EXIT_BAD_CONFIG = 2
END_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The last says that the terminal is gone."""


def exit_for(error: NodeError) -> NoReturn:
    """Print what is wrong and what to do, and leave with the exit code for it."""
    writer = LineWriter(sys.stderr)
    writer.write(hide(f"error: {error.message}"))
    if error.hint:
        writer.write(hide(f"hint: {error.hint}"))
    sys.exit(EXIT_BAD_CONFIG if isinstance(error, ConfigError) else 1)


def end_signals() -> list[signal.Signals]:
    """The signals at which a process ends: all but those that whoever started it had ignored, as nohup does."""
    return [number for number in END_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def stop_on_signals() -> threading.Event:
    """An event that any of the signals to end sets."""
    stop = threading.Event()
    for number in end_signals():
        signal.signal(number, lambda *_: stop.set())
    return stop


def start(process: str, run: Callable[[Settings, ConfigFile], int | None], *, follows: bool = True) -> NoReturn:
    """Load settings and config, configure logs, then hand over to `run`; its result is the exit code.

    Unless it `follows` by itself, the process ends with the one that the variable ENDS_WITH names.
    """
    keep_loopback_direct()
    try:
        settings = load_settings()
        configure_logs(process, settings.log_level, settings.log_format)
        config = ConfigFile(settings.config_file, settings.config_overrides)
        if follows:
            follow_named()
        sys.exit(run(settings, config) or 0)
    except NodeError as error:
        exit_for(error)
    except KeyboardInterrupt:
        sys.exit(130)
