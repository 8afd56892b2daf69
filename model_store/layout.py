"""Where things lie in the store, and which names are trusted: nothing read from a file becomes a path before it is checked here.

<root>/.lock                                  held by whoever writes
<root>/<TOKEN>/<target>-<horizon>/            a cell's folder
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
from node.topics import TOKEN_PATTERN, Cell, Target

LOCK: Final = ".lock"
POINTER: Final = "champion.json"
INCOMING: Final = ".incoming-"
REMOVED: Final = ".removed-"

_VERSION = re.compile(VERSION_PATTERN)
_STAMP: Final = "%Y%m%dT%H%M%SZ"


def cell_folder(root: Path, cell: Cell) -> Path:
    """A cell's folder, which need not exist."""
    if not TOKEN_PATTERN.fullmatch(cell.token):
        raise ModelStoreError(f"{cell.token!r} is not a token")
    return root / cell.token / f"{cell.target.value}-{cell.horizon}"


def version_folder(root: Path, cell: Cell, version: str) -> Path:
    """A version's folder, which need not exist; ModelStoreError for a name that no version can have."""
    if not _VERSION.fullmatch(version):
        hint = "allora-node models list shows what there is."
        raise ModelStoreError(f"{version!r} is not the name of a version", hint=hint)
    return cell_folder(root, cell) / version


def version_names(folder: Path) -> list[str]:
    """Versions in a cell's folder, newest first."""
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


def cells_in(root: Path) -> list[Cell]:
    """Every cell that has a folder, sorted."""
    found = []
    for folder in root.glob("*/*"):
        cell = _cell_of(folder.parent.name, folder.name)
        if cell is not None and folder.is_dir():
            found.append(cell)
    return sorted(found)


def _cell_of(token: str, name: str) -> Cell | None:
    target, _, horizon = name.rpartition("-")
    try:
        cell = Cell(token, Target(target), Duration.parse(horizon))
    except ValueError:
        return None
    return cell if TOKEN_PATTERN.fullmatch(token) and str(cell) == f"{token}/{name}" else None
