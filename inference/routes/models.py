"""What /models shows: every version of every model, which one is champion, and why."""

from __future__ import annotations

from collections.abc import Iterable

from inference.answers.snapshot import Snapshot
from inference.routes.schemas import DamagedVersion, ModelShown, VersionShown
from model_store.manifest import Manifest
from model_store.pointer import Pointer
from model_store.store import ModelStore
from node.errors import CorruptVersionError
from node.topics import Cell


class ModelListing:
    """Reads manifests once: a version never changes."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._read: dict[tuple[Cell, str], VersionShown] = {}

    def show(self, snapshot: Snapshot) -> list[ModelShown]:
        """One entry for each model that the snapshot's topics use, in their order."""
        topics: dict[Cell, list[int]] = {}
        for state in snapshot.states:
            topics.setdefault(state.topic.cell, []).append(state.topic.id)
        in_use = {state.topic.cell: state.champion.version for state in snapshot.states if state.champion}
        self._forget_other_than(topics)
        return [self._show(cell, numbers, in_use.get(cell)) for cell, numbers in topics.items()]

    def _show(self, cell: Cell, topics: list[int], serving: str | None) -> ModelShown:
        pointer = self._pointer(cell)
        champion = pointer.champion.version if pointer else None
        versions = [self._version(cell, name) for name in self._store.versions(cell)]
        scores = next((version["scores"] for version in versions if version["version"] == champion and "scores" in version), {})
        return {
            "model": str(cell),
            "token": cell.token,
            "target": cell.target.value,
            "horizon": str(cell.horizon),
            "interval": cell.interval.value,
            "topics": topics,
            "champion": champion,
            "serving": serving,
            "reason": pointer.reason if pointer else "nothing was promoted yet",
            "promoted_ms": pointer.promoted_ms if pointer else None,
            "former_champions": [entry.version for entry in pointer.former] if pointer else [],
            "scores": scores,
            "history": versions,
        }

    def _pointer(self, cell: Cell) -> Pointer | None:
        try:
            return self._store.pointer(cell)
        except CorruptVersionError:
            return None

    def _version(self, cell: Cell, name: str) -> VersionShown | DamagedVersion:
        key = (cell, name)
        if key not in self._read:
            try:
                self._read[key] = _summary(self._store.manifest(cell, name))
            except CorruptVersionError as error:
                return {"version": name, "error": error.message}
        return self._read[key]

    def _forget_other_than(self, cells: Iterable[Cell]) -> None:
        kept = {(cell, name) for cell in cells for name in self._store.versions(cell)}
        for key in self._read.keys() - kept:
            self._read.pop(key, None)


def _summary(manifest: Manifest) -> VersionShown:
    return {
        "version": manifest.version,
        "created_ms": manifest.created_ms,
        "parent": manifest.parent,
        "promoted_by_gate": manifest.gate.promoted,
        "reason": manifest.gate.reason,
        "data_start_ms": manifest.data_start_ms,
        "data_end_ms": manifest.data_end_ms,
        "shrinkage": manifest.shrinkage,
        "scores": manifest.scores,
    }
