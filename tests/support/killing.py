"""A writer that is killed at each of its points in turn: at the first, at the second, until one is killed no more."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path


def deadly_point(number: int) -> Callable[[], None]:
    """What a writer calls at each of its points: this process is killed there once it has passed `number` of them."""
    passed = 0

    def point() -> None:
        nonlocal passed
        if passed == number:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    return point


def kill_at_each_point(copy: Callable[[int], Path], write: Callable[[Path, Callable[[], None]], None]) -> None:
    """For each n, let a child process write to `copy(n)` until it has passed n of its points, until one child gets through.

    Prints, as JSON, the copy and whether the child lived.
    """
    for number in count():
        place = copy(number)
        child = os.fork()
        if child == 0:
            write(place, deadly_point(number))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        survived = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not survived and not killed:
            raise SystemExit(f"child {number} failed with status {status}")
        print(json.dumps({"place": str(place), "survived": survived}), flush=True)
        if survived:
            return
