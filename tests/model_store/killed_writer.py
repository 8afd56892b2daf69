"""Kills a writer at every point where it touches the disk: `python -m tests.model_store.killed_writer FOLDER`.

For each n, a copy of the store is changed by a child process that kills itself just before its n-th call that makes a change
durable or visible, until one child gets through. Prints, as JSON, the copy's folder and the calls the child had made.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model_store.store import ModelStore
from node.clock import ManualClock
from node.logs import configure_logs
from tests.model_store.tiny_models import BTC, tiny_draft, tiny_graph

WATCHED = ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir")
NEW_ANSWER = 0.9


def write(root: Path) -> None:
    """What the updater does with a candidate that passed the gate."""
    store = ModelStore(root, ManualClock(1_760_000_000_000))
    manifest = store.publish(BTC, graph=tiny_graph(NEW_ANSWER), weights=b"new", draft=tiny_draft(BTC, NEW_ANSWER))
    store.promote(BTC, manifest.version, "better")
    store.prune(BTC, 1)


def die_before_call(number: int, calls: list[str]) -> None:
    """From now on count this process's watched calls, and kill it just before the one with this number."""

    def watch(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            if len(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            calls.append(name)
            return original(*args, **kwargs)

        return watched

    for name in WATCHED:
        setattr(os, name, watch(name, getattr(os, name)))


def main(folder: Path) -> None:
    number = 0
    while True:
        copy = folder / f"killed-{number}"
        shutil.copytree(folder / "before", copy)
        child = os.fork()
        if child == 0:
            calls: list[str] = []
            die_before_call(number, calls)
            write(copy)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        survived = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not survived and not killed:
            raise SystemExit(f"child {number} failed with status {status}")
        print(json.dumps({"folder": str(copy), "survived": survived}), flush=True)
        if survived:
            return
        number += 1


if __name__ == "__main__":
    configure_logs("writer", "error")
    main(Path(sys.argv[1]))
