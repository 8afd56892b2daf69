"""A process ends with the one that it works for, however that one ended.

Whoever is stopped ends its children itself. Whoever is killed, or loses its terminal, cannot: what it leaves behind would hold
ports and memory for nobody. A training process follows whoever started it. A process of `make run` or `make demo` follows the one
that ENDS_WITH names, for between the two stand others, which may live on.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

LOOK_SECONDS: Final = 1.0
GRACE_SECONDS: Final = 8.0
"""What a process that was told to end is given."""

ENDS_WITH: Final = "ENDS_WITH"
"""The variable of the environment that holds a process's number. It is no setting: only a program that starts others sets it."""


def end_with(parent: int) -> None:
    """From now on this process ends within about a second of the process `parent`, which started it."""

    def watch() -> None:
        # Whoever loses its parent is given another.
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def tied_to_this_process() -> dict[str, Any]:
    """What joblib's Parallel is told, so that its processes end with this one."""
    return {"initializer": end_with, "initargs": (os.getpid(),)}


def follow_named(end: Callable[[], None] | None = None) -> None:
    """End like at SIGTERM, or by `end`, once the process that ENDS_WITH names has ended; nothing without the variable."""
    named = os.environ.get(ENDS_WITH, "")
    if named.isdecimal():
        arguments = (int(named), end or _terminate)
        threading.Thread(target=_follow, args=arguments, name="lifeline", daemon=True).start()


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _follow(process: int, end: Callable[[], None]) -> None:
    _wait_for(process)
    end()
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _wait_for(process: int) -> None:
    """Until `process` has ended."""
    try:
        # A descriptor stands for this very process, also once its number is given to another.
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        with suppress(ProcessLookupError, PermissionError):
            while True:
                os.kill(process, 0)
                time.sleep(LOOK_SECONDS)
        return
    select.select([descriptor], [], [])
    os.close(descriptor)
