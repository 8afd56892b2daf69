"""GET /models: every version of every model, which one is champion, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias, final

from flask import Response, jsonify
from typing_extensions import TypedDict

from inference.answers.snapshot import Snapshot
from inference.routes.context import Context
from inference.routes.route import JSON, Route
from inference.routes.schemas import BarLength, Milliseconds, Span, TargetName, Token, Version
from model_store.manifest import Manifest
from model_store.pointer import Pointer
from model_store.store import ModelStore
from node.errors import CorruptVersionError
from node.topics import Task

Figure: TypeAlias = float | int | str | bool | None


class VersionShown(TypedDict):
    """A version of a model, and why it was promoted or refused."""

    version: Version
    created_ms: Milliseconds
    parent: Version | None
    promoted_by_gate: bool
    reason: str
    data_start_ms: Milliseconds
    data_end_ms: Milliseconds
    shrinkage: float | None
    scores: dict[str, Figure]


@final
class DamagedVersion(TypedDict):
    """A version whose manifest cannot be read."""

    version: str
    error: str


class ModelShown(TypedDict):
    """A model: which version is champion and why, which one is served, and all there are."""

    model: str
    token: Token
    target: TargetName
    horizon: Span
    interval: BarLength
    topics: list[int]
    champion: Version | None
    serving: Version | None
    reason: str
    promoted_ms: Milliseconds | None
    former_champions: list[Version]
    scores: dict[str, Figure]
    history: list[VersionShown | DamagedVersion]


class ModelListing:
    """Reads manifests once: a version never changes."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._read: dict[tuple[Task, str], VersionShown] = {}

    def show(self, snapshot: Snapshot) -> list[ModelShown]:
        """One entry for each model that the snapshot's topics use, in their order."""
        topics: dict[Task, list[int]] = {}
        for state in snapshot.states:
            topics.setdefault(state.topic.task, []).append(state.topic.id)
        in_use = {state.topic.task: state.champion.version for state in snapshot.states if state.champion}
        self._forget_other_than(topics)
        return [self._show(task, numbers, in_use.get(task)) for task, numbers in topics.items()]

    def _show(self, task: Task, topics: list[int], serving: str | None) -> ModelShown:
        pointer = self._pointer(task)
        champion = pointer.champion.version if pointer else None
        versions = [self._version(task, name) for name in self._store.versions(task)]
        scores = next((version["scores"] for version in versions if version["version"] == champion and "scores" in version), {})
        return {
            "model": str(task),
            "token": task.token,
            "target": task.target.value,
            "horizon": str(task.horizon),
            "interval": task.interval.value,
            "topics": topics,
            "champion": champion,
            "serving": serving,
            "reason": pointer.reason if pointer else "nothing was promoted yet",
            "promoted_ms": pointer.promoted_ms if pointer else None,
            "former_champions": [entry.version for entry in pointer.former] if pointer else [],
            "scores": scores,
            "history": versions,
        }

    def _pointer(self, task: Task) -> Pointer | None:
        try:
            return self._store.pointer(task)
        except CorruptVersionError:
            return None

    def _version(self, task: Task, name: str) -> VersionShown | DamagedVersion:
        key = (task, name)
        if key not in self._read:
            try:
                self._read[key] = _summary(self._store.manifest(task, name))
            except CorruptVersionError as error:
                return {"version": name, "error": error.message}
        return self._read[key]

    def _forget_other_than(self, tasks: Iterable[Task]) -> None:
        kept = {(task, name) for task in tasks for name in self._store.versions(task)}
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


def show_models(context: Context) -> Response:
    """One entry for each model that a topic uses."""
    return jsonify(context.models.show(context.current.snapshot))


ROUTE: Final = Route(
    "/models",
    "models",
    "every model: its champion, its history, and the reasons",
    show_models,
    {JSON: list[ModelShown]},
)
