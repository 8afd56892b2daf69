"""Immutable model versions and the champion among them.

A version is written aside, verified, and renamed into place; it is never changed afterwards. A champion is what the pointer names,
and the pointer is replaced in one step, so a reader sees the old champion or the new one whatever happens to the writer. Readers
need no lock and never write: the folder may be mounted read-only for them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort
import structlog

from model_store.durable import Mark, exclusive, mark_of, rename_folder, sync_folder, write_folder
from model_store.layout import INCOMING, LOCK, POINTER, REMOVED, new_version, task_folder, tasks_in, version_folder, version_names
from model_store.manifest import GRAPH, MANIFEST, WEIGHTS, Manifest, TaskName, VersionMetadata
from model_store.pointer import MAX_FORMER_CHAMPIONS, Entry, Pointer, has_pointer, is_damaged, read_pointer, write_pointer
from model_store.verification import digest, manifest_digest, read_manifest, verify
from node.clock import Clock
from node.errors import CorruptVersionError, ModelStoreError, NoChampionError
from node.topics import Task

log = structlog.get_logger(__name__)

ATTEMPTS = 5
"""How often a reader starts again when the champion changes under its eyes."""


@dataclass(frozen=True, slots=True)
class Version:
    """A verified version, ready to be asked: `session` runs its graph on one thread."""

    manifest: Manifest
    graph: bytes
    weights_path: Path
    folder: Path
    session: ort.InferenceSession

    @property
    def name(self) -> str:
        return self.manifest.version


class ModelStore:
    """The folder `root` with every task's versions. Making one neither reads nor writes."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self._clock = clock
        self._pointers: dict[Task, str] = {}
        self._pointed: dict[Task, tuple[Mark, str | None]] = {}

    # Reading

    def tasks(self) -> list[Task]:
        """Every task that has a folder."""
        return tasks_in(self.root)

    def versions(self, task: Task) -> list[str]:
        """Names of a task's versions, newest first, none of them verified."""
        return version_names(task_folder(self.root, task))

    def history(self, task: Task) -> list[Manifest]:
        """Manifests of a task's versions, newest first; those that cannot be read are left out and named in the log."""
        manifests = []
        for name in self.versions(task):
            try:
                manifests.append(self.manifest(task, name))
            except CorruptVersionError as error:
                log.warning("version left out", model=str(task), version=name, error=error)
        return manifests

    def manifest(self, task: Task, version: str) -> Manifest:
        """One version's manifest, as it stands on disk; CorruptVersionError if it cannot be read."""
        return read_manifest(version_folder(self.root, task, version))

    def pointer(self, task: Task) -> Pointer | None:
        """Who is champion and who was, or None before the first promotion; CorruptVersionError if it cannot be read."""
        return read_pointer(task_folder(self.root, task))

    def champion_version(self, task: Task) -> str | None:
        """Name of the champion by the pointer alone, which costs next to nothing; None if there is no readable pointer.

        Whether that version verifies is another question: `champion` answers it.
        """
        if task not in self._pointers:
            self._pointers[task] = str(task_folder(self.root, task) / POINTER)
        mark = mark_of(self._pointers[task])
        known = self._pointed.get(task)
        if mark is not None and known is not None and known[0] == mark:
            return known[1]
        try:
            pointer = self.pointer(task)
        except CorruptVersionError:
            pointer = None
        version = pointer.champion.version if pointer else None
        if mark is not None:
            self._pointed[task] = mark, version
        return version

    def marks(self, task: Task) -> tuple[Mark | None, ...]:
        """What differs once the pointer or a file of the version it names was written again; damage of the disk leaves no mark."""
        folder, version = task_folder(self.root, task), self.champion_version(task)
        files = [folder / version / name for name in (GRAPH, WEIGHTS, MANIFEST)] if version else []
        return tuple(mark_of(path) for path in (folder / POINTER, *files))

    def load(self, task: Task, version: str, manifest_sha256: str | None = None) -> Version:
        """A verified version; CorruptVersionError if anything about it is not as its manifest says."""
        folder = version_folder(self.root, task, version)
        manifest = read_manifest(folder, manifest_sha256)
        graph, session = verify(task, folder, manifest)
        return Version(manifest, graph, folder / WEIGHTS, folder, session)

    def champion(self, task: Task) -> Version:
        """The verified champion.

        If it does not verify: the last former champion that does, or else the newest version that the gate let pass, and the log
        says so. NoChampionError if there is none, or nothing was ever promoted.
        """
        for _ in range(ATTEMPTS):
            pointer = self._pointer_or_none(task)
            version = self._first_that_verifies(task, pointer)
            if version is not None:
                return version
            if self._pointer_or_none(task) == pointer:
                break
        raise NoChampionError(f"there is no model for {task} yet", hint="The updater trains one once it has enough candles.")

    # Writing

    def publish(self, task: Task, *, graph: bytes, weights: bytes, metadata: VersionMetadata) -> Manifest:
        """Store a version for good, verified but not yet champion; CorruptVersionError if it does not reproduce its samples."""
        folder = task_folder(self.root, task)
        with self._exclusive():
            folder.mkdir(parents=True, exist_ok=True)
            self._clear_leftovers(folder)
            complete = self._complete(task, graph, weights, metadata)
            aside = folder / f"{INCOMING}{complete.version}"
            content = complete.model_dump_json(indent=1).encode()
            try:
                write_folder(aside, {GRAPH: graph, WEIGHTS: weights, MANIFEST: content})
                written = Manifest.model_validate_json((aside / MANIFEST).read_bytes())
                verify(task, aside, written)
                rename_folder(aside, folder / complete.version)
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
        log.debug("version published", model=str(task), version=complete.version)
        return complete

    def promote(self, task: Task, version: str, reason: str) -> None:
        """Make a verified version champion; the present champion is remembered for rollback."""
        folder = task_folder(self.root, task)
        with self._exclusive():
            pointer = self._pointer_or_none(task)
            known = pointer.entry(version) if pointer else None
            entry = self._verified_entry(task, version, known)
            now = self._clock.now_ms()
            new = pointer.with_champion(entry, reason, now) if pointer else Pointer(champion=entry, reason=reason, promoted_ms=now)
            write_pointer(folder, new)
        log.debug("champion changed", model=str(task), version=version, reason=reason)

    def repair(self, task: Task) -> str | None:
        """Write a champion pointer that says nothing anew, naming what is served in its place; None if there is nothing to mend.

        The order of former champions is lost with the pointer; those that the gate let pass stand in for it, newest first.
        """
        folder = task_folder(self.root, task)
        if not is_damaged(folder):
            return None
        with self._exclusive():
            served = self._first_that_verifies(task, None) if is_damaged(folder) else None
            if served is None:
                return None
            passed = list(self._in_order_of_trust(task, None))
            champion = next(entry for entry in passed if entry.version == served.name)
            former = tuple(entry for entry in passed if entry != champion)[:MAX_FORMER_CHAMPIONS]
            reason = "the champion pointer was damaged: the newest version that verifies and the gate let pass"
            if (folder / POINTER).is_dir() and not (folder / POINTER).is_symlink():
                shutil.rmtree(folder / POINTER)
            write_pointer(folder, Pointer(champion=champion, reason=reason, promoted_ms=self._clock.now_ms(), former=former))
        log.warning("champion pointer was damaged and is written anew", model=str(task), version=champion.version)
        return champion.version

    def rollback(self, task: Task, *, to: str | None = None, reason: str | None = None) -> Manifest:
        """Make the last former champion that verifies champion again, or the one named `to`; ModelStoreError if there is none."""
        with self._exclusive():
            pointer = self.pointer(task)
            former = self._last_former_that_verifies(task, pointer, to)
            if pointer is None or former is None:
                hint = "allora-node models list shows every version."
                raise ModelStoreError(f"{task} has no former champion to go back to", hint=hint)
            entry, manifest = former
            reason = reason or f"rolled back from {pointer.champion.version}"
            write_pointer(task_folder(self.root, task), pointer.back_to(entry, reason, self._clock.now_ms()))
        log.debug("champion changed", model=str(task), version=entry.version, reason=reason)
        return manifest

    def prune(self, task: Task, keep: int) -> list[str]:
        """Delete all but the newest `keep` versions, the champion, the champion before it, and what is served where champion or
        pointer is damaged; the names of those deleted."""
        folder = task_folder(self.root, task)
        with self._exclusive():
            self._clear_leftovers(folder)
            pointer = self._pointer_or_none(task)
            names = self.versions(task)
            kept = set(names[: max(0, keep)])
            if pointer:
                former = next((entry.version for entry in pointer.former if entry.version in names), None)
                kept |= {pointer.champion.version, former or pointer.champion.version}
            if len(names) > len(kept):
                served = self._first_that_verifies(task, pointer)
                kept |= {served.name} if served is not None else set()
            removed = [name for name in names if name not in kept]
            for name in removed:
                # Renamed first, so that a reader finds a version whole or not at all.
                os.rename(folder / name, folder / f"{REMOVED}{name}")
            self._clear_leftovers(folder)
        return removed

    def _exclusive(self) -> AbstractContextManager[None]:
        return exclusive(self.root / LOCK)

    def _pointer_or_none(self, task: Task) -> Pointer | None:
        try:
            return self.pointer(task)
        except CorruptVersionError as error:
            log.error("champion pointer is damaged", model=str(task), error=error)
            return None

    def _first_that_verifies(self, task: Task, pointer: Pointer | None) -> Version | None:
        for entry in self._in_order_of_trust(task, pointer):
            try:
                version = self.load(task, entry.version, entry.manifest_sha256)
            except CorruptVersionError as error:
                log.error("version does not verify", model=str(task), version=entry.version, error=error)
                continue
            if pointer is None or entry != pointer.champion:
                log.warning("fallen back to another version than the champion", model=str(task), version=entry.version)
            return version
        return None

    def _in_order_of_trust(self, task: Task, pointer: Pointer | None) -> Iterator[Entry]:
        """The champion, former champions, then whatever the gate let pass; nothing at all before the first promotion."""
        if pointer is None and not has_pointer(task_folder(self.root, task)):
            return
        known = (pointer.champion, *pointer.former) if pointer else ()
        yield from known
        for name in self.versions(task):
            if name in {entry.version for entry in known}:
                continue
            try:
                folder = version_folder(self.root, task, name)
                if read_manifest(folder).gate.promoted:
                    yield Entry(version=name, manifest_sha256=manifest_digest(folder))
            except CorruptVersionError as error:
                log.error("version does not verify", model=str(task), version=name, error=error)

    def _last_former_that_verifies(self, task: Task, pointer: Pointer | None, wanted: str | None) -> tuple[Entry, Manifest] | None:
        for entry in pointer.former if pointer else ():
            if wanted not in (None, entry.version):
                continue
            try:
                return entry, self.load(task, entry.version, entry.manifest_sha256).manifest
            except CorruptVersionError as error:
                log.warning("former champion passed over", model=str(task), version=entry.version, error=error)
        return None

    def _verified_entry(self, task: Task, version: str, known: Entry | None) -> Entry:
        folder = version_folder(self.root, task, version)
        if not folder.is_dir():
            raise ModelStoreError(f"{task} has no version {version}", hint="allora-node models list shows what there is.")
        entry = known or Entry(version=version, manifest_sha256=manifest_digest(folder))
        self.load(task, version, entry.manifest_sha256)
        return entry

    def _complete(self, task: Task, graph: bytes, weights: bytes, metadata: VersionMetadata) -> Manifest:
        now = self._clock.now_ms()
        files, newest = {GRAPH: digest(graph), WEIGHTS: digest(weights)}, next(iter(self.versions(task)), None)
        return Manifest(
            **{name: getattr(metadata, name) for name in VersionMetadata.model_fields},
            version=new_version(now, digest("".join(files.values()).encode()), newest),
            task=TaskName.of(task),
            created_ms=now,
            files=files,
        )

    def _clear_leftovers(self, folder: Path) -> None:
        """What a killed writer left; only called while the lock is held, so nobody is still at work on it."""
        for prefix in (INCOMING, REMOVED):
            for leftover in folder.glob(f"{prefix}*"):
                shutil.rmtree(leftover)
        sync_folder(folder)
