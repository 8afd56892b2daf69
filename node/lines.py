"""Lines to whoever reads the log. A reader that has gone, stands still or has no room costs lines and nothing else.

A pipe's other end may be closed, a terminal gone with its connection, a disk full; a pager or a suspended program takes nothing for
as long as it likes. None of that may end a loop or hold one up, so a line that cannot be written within a moment is given up.
"""

from __future__ import annotations

import os
import select
import time
from typing import Final, TextIO

PATIENCE_SECONDS: Final = 0.5
"""How long the first line waits for a reader that stands still; those after it do not wait at all until it reads again."""

PIECE_BYTES: Final = 512
"""What a pipe or terminal that has room for anything takes without waiting."""


class LineWriter:
    """Writes to a stream's descriptor, past its buffer: what is left in there would fail again when the process ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding, errors = getattr(stream, "encoding", None) or "utf-8", getattr(stream, "errors", None)
        self._errors = errors if errors not in {None, "strict"} else "backslashreplace"
        self._torn = False
        self._patience = PATIENCE_SECONDS
        try:
            self._descriptor: int | None = stream.fileno()
        except (OSError, ValueError):
            self._descriptor = None  # a stream in memory

    def write(self, line: str) -> bool:
        """Write `line` and the end of a line; False if it is lost, in whole or in part. Never raises."""
        try:
            if self._descriptor is None:
                self._stream.write(f"{line}\n")
                self._stream.flush()
                return True
            return self._put(self._descriptor, f"{line}\n".encode(self._encoding, self._errors))
        except (OSError, ValueError):
            return False

    def _put(self, descriptor: int, content: bytes) -> bool:
        left = b"\n" + content if self._torn else content
        whole, deadline = len(left), time.monotonic() + self._patience
        room = select.poll()
        room.register(descriptor, select.POLLOUT)
        try:
            while left:
                if not room.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    self._patience = 0.0
                    return False
                left = left[os.write(descriptor, left[:PIECE_BYTES]) :]
        finally:
            self._torn = bool(left) and (len(left) < whole or self._torn)
        self._patience = PATIENCE_SECONDS
        return True
