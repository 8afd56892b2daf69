"""Where things lie in the store, and which names are trusted: nothing read from a file becomes a path before it is checked here.

<root>/.lock                                  held by whoever writes
<root>/<TOKEN>/<target>-<horizon>/            a task's folder
    champion.json                             the pointer
    <version>/                                manifest.json, model.onnx, weights.safetensors; never changed
    .incoming-<version>/, .removed-<version>/ what a writer left unfinished; the next one clears it away
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from model_store.manifest import VERSION_PATTERN
from node.durations import SECOND_MS, Duration
from node.errors import ModelStoreError
from node.topics import TOKEN_PATTERN, Target, Task

LOCK: Final = ".lock"
POINTER: Final = "champion.json"
INCOMING: Final = ".incoming-"
REMOVED: Final = ".removed-"

_VERSION = re.compile(VERSION_PATTERN)
_STAMP: Final = "%Y%m%dT%H%M%SZ"


def task_folder(root: Path, task: Task) -> Path:
    """A task's folder, which need not exist."""
    if not TOKEN_PATTERN.fullmatch(task.token):
        raise ModelStoreError(f"{task.token!r} is not a token")
    return root / task.token / f"{task.target.value}-{task.horizon}"


def version_folder(root: Path, task: Task, version: str) -> Path:
    """A version's folder, which need not exist; ModelStoreError for a name that no version can have."""
    if not _VERSION.fullmatch(version):
        hint = "allora-node models list shows what there is."
        raise ModelStoreError(f"{version!r} is not the name of a version", hint=hint)
    return task_folder(root, task) / version


def version_names(folder: Path) -> list[str]:
    """Versions in a task's folder, newest first."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return []
    return sorted((name for name in names if _VERSION.fullmatch(name)), reverse=True)


def new_version(now_ms: int, content_digest: str, newest: str | None) -> str:
    """A name that sorts behind `newest`, even within one second or when the clock was set back."""
    second = now_ms // SECOND_MS
    if newest is not None:
        before = datetime.strptime(newest.partition("-")[0], _STAMP).replace(tzinfo=UTC)
        second = max(second, int(before.timestamp()) + 1)
    return f"{datetime.fromtimestamp(second, UTC).strftime(_STAMP)}-{content_digest[:6]}"


def tasks_in(root: Path) -> list[Task]:
    """Every task that has a folder, sorted."""
    found = []
    for folder in root.glob("*/*"):
        task = _task_of(folder.parent.name, folder.name)
        if task is not None and folder.is_dir():
            found.append(task)
    return sorted(found)


def _task_of(token: str, name: str) -> Task | None:
    target, _, horizon = name.rpartition("-")
    try:
        task = Task(token, Target(target), Duration.parse(horizon))
    except ValueError:
        return None
    return task if TOKEN_PATTERN.fullmatch(token) and str(task) == f"{token}/{name}" else None
