"""Kills a writer at every point where it touches the disk: `python -m tests.model_store.killed_writer FOLDER`.

For each n, a copy of the store is changed by a child process that kills itself just before its n-th call that makes a change
durable or visible, until one child gets through. Prints, as JSON, the copy and whether the child lived.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model_store.store import ModelStore
from node.clock import ManualClock
from node.logs import configure_logs
from tests.support.killing import kill_at_each_point
from tests.support.tiny_models import BTC, tiny_graph, tiny_metadata

WATCHED = ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir")
NEW_ANSWER = 0.9


def write(root: Path) -> None:
    """What the updater does with a candidate that passed the gate."""
    store = ModelStore(root, ManualClock(1_760_000_000_000))
    manifest = store.publish(BTC, graph=tiny_graph(NEW_ANSWER), weights=b"new", metadata=tiny_metadata(BTC, NEW_ANSWER))
    store.promote(BTC, manifest.version, "better")
    store.prune(BTC, 1)


def watch_calls(point: Callable[[], None]) -> None:
    """From now on there is a point before each of the watched calls."""

    def watch(original: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            point()
            return original(*args, **kwargs)

        return watched

    for name in WATCHED:
        setattr(os, name, watch(getattr(os, name)))


def main(folder: Path) -> None:
    def copy(number: int) -> Path:
        return Path(shutil.copytree(folder / "before", folder / f"killed-{number}"))

    def write_watched(root: Path, point: Callable[[], None]) -> None:
        watch_calls(point)
        write(root)

    kill_at_each_point(copy, write_watched)


if __name__ == "__main__":
    configure_logs("writer", "error")
    main(Path(sys.argv[1]))
