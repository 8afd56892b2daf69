"""Writing that survives a killed process and a power cut: whole files, flushed to the disk, put in place by one rename."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from node.errors import ModelStoreError

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.05
SAY_AFTER_SECONDS: Final = 10.0
"""Whoever holds the lock for so long is named: writers hold it for less than a second."""
REMIND_SECONDS: Final = 60.0


def sync_folder(folder: Path) -> None:
    """Flush the names in `folder` to the disk; without it a rename may be lost with the power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, content: bytes) -> None:
    """A new file, flushed; FileExistsError if there is one."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """A new folder with `files`, all of it flushed."""
    folder.mkdir()
    for name, content in files.items():
        write_file(folder / name, content)
    sync_folder(folder)


def rename_folder(source: Path, target: Path) -> None:
    """Give a folder its final name beside where it stands; the target must not exist."""
    if target.exists() or target.is_symlink():
        raise ModelStoreError(f"{target} exists already and is never overwritten")
    os.rename(source, target)
    sync_folder(target.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Readers see the old content or the new, never a part of it."""
    aside = path.with_name(f".{path.name}.incoming")
    aside.unlink(missing_ok=True)
    write_file(aside, content)
    os.replace(aside, path)
    sync_folder(path.parent)


def read_file(path: Path, largest: int) -> bytes:
    """Content of a plain file of at most `largest` bytes; ModelStoreError if it is larger, a link, or not there."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ModelStoreError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ModelStoreError(f"{path} is no plain file")
    with os.fdopen(handle, "rb") as file:
        try:
            content = file.read(largest + 1)
        except OSError as error:
            raise ModelStoreError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > largest:
        raise ModelStoreError(f"{path} is larger than {largest} bytes")
    return content


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`. The system releases it when the holder dies, so no lock outlives its process.

    A holder that is suspended keeps it; who waits for it says so and waits on, for what there is to write is not there twice.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(descriptor, path)
        with suppress(OSError):  # a disk that is full
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    begun, say_at = time.monotonic(), SAY_AFTER_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - begun
            if waited >= say_at:
                say_at = waited + REMIND_SECONDS
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace") or "unknown"
                log.warning("another process holds the lock of the models", file=str(path), holder=holder, seconds=round(waited))
            time.sleep(LOOK_SECONDS)
        else:
            return


Mark = tuple[int, int, int]
"""A file's number on its disk, its size and when it was last written: another file, or other content, has another mark."""


def mark_of(path: Path | str) -> Mark | None:
    """The file's mark; None if it cannot be found."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
