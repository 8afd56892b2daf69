"""The champion pointer: which version a task serves, and which it served before."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_store.durable import read_file, replace_file
from model_store.layout import POINTER
from model_store.manifest import Digest, Milliseconds, Reason, VersionName
from node.errors import CorruptVersionError, ModelStoreError

MAX_POINTER_BYTES: Final = 1 << 20
MAX_FORMER_CHAMPIONS: Final = 50
"""Former champions that are remembered."""


class Entry(BaseModel):
    """A version and the digest of its manifest, so that the manifest itself cannot be exchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: VersionName
    manifest_sha256: Digest


class Pointer(BaseModel):
    """The content of champion.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    champion: Entry
    reason: Reason
    promoted_ms: Milliseconds
    former: tuple[Entry, ...] = Field((), max_length=MAX_FORMER_CHAMPIONS, description="Newest first.")

    def entry(self, version: str) -> Entry | None:
        """What is remembered of `version`."""
        return next((entry for entry in (self.champion, *self.former) if entry.version == version), None)

    def with_champion(self, champion: Entry, reason: str, now_ms: int) -> Pointer:
        """Another champion; the present one is remembered."""
        former = [entry for entry in (self.champion, *self.former) if entry.version != champion.version]
        return Pointer(champion=champion, reason=reason, promoted_ms=now_ms, former=tuple(former[:MAX_FORMER_CHAMPIONS]))

    def back_to(self, champion: Entry, reason: str, now_ms: int) -> Pointer:
        """A former champion again; those that came after it are forgotten, or the next rollback would bring one back."""
        index = self.former.index(champion)
        return Pointer(champion=champion, reason=reason, promoted_ms=now_ms, former=self.former[index + 1 :])


def has_pointer(folder: Path) -> bool:
    """True once something has been promoted in this task's folder; also if there is something that may not be read."""
    try:
        (folder / POINTER).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_pointer(folder: Path) -> Pointer | None:
    """The task's pointer, or None if nothing was promoted yet; CorruptVersionError if there is one that cannot be read."""
    if not has_pointer(folder):
        return None
    try:
        return Pointer.model_validate_json(read_file(folder / POINTER, MAX_POINTER_BYTES))
    except (ModelStoreError, ValidationError):
        hint = "allora-node models promote writes it anew."
        raise CorruptVersionError(f"{folder / POINTER} cannot be read", hint=hint) from None


def is_damaged(folder: Path) -> bool:
    """Whether there is a pointer that says nothing. One that merely cannot be read just now is not damaged."""
    path = folder / POINTER
    try:
        if not stat.S_ISREG(path.lstat().st_mode) or path.stat().st_size > MAX_POINTER_BYTES:
            return True
        Pointer.model_validate_json(path.read_bytes())
    except OSError:
        return False
    except ValidationError:
        return True
    return False


def write_pointer(folder: Path, pointer: Pointer) -> None:
    """Put `pointer` in force, all at once."""
    replace_file(folder / POINTER, pointer.model_dump_json(indent=2).encode())
