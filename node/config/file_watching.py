"""config.json while the node runs: an edit takes effect at once, and one that cannot leaves the last good one in force."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from mmap import mmap
from pathlib import Path
from typing import Any, Final

import structlog

from node.config.file import MAX_CONFIG_BYTES, Config, parse_config, read_config
from node.errors import ConfigError, NodeError

log = structlog.get_logger(__name__)


def _refuse(error: Exception) -> None:
    known = isinstance(error, NodeError)
    hint = error.hint if isinstance(error, NodeError) else "This should not happen: report it with the lines that follow."
    log.error("config refused, the last good one stays in force", reason=str(error), hint=hint, exc_info=not known)


class ConfigFile:
    """The file on disk, read again when it changes; a bad edit is refused and the last good one stays in force."""

    def __init__(self, path: Path, overrides: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._overrides = overrides
        self._seen = self._stamp()
        self._text = read_config(path)
        self.current = self._parsed(self._text)
        self._shared: SharedText | None = None

    def changed(self) -> bool:
        """Read the file if it was touched; True when `current` is now another configuration."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            text = read_config(self.path)
            config = self._parsed(text)
        except ConfigError as error:
            _refuse(error)
            return False
        if config == self.current:
            return False
        self._put_in_force(text, config)
        log.info("config changed", topics=[entry.topic_id for entry in config.worker])
        return True

    def follow(self, take_up: Callable[[], None]) -> bool:
        """Call `take_up` when there is another configuration; if it fails, the one before is put in force again and taken up."""
        text, config = self._text, self.current
        if not self.changed():
            return False
        try:
            take_up()
        except Exception as error:
            self.put_back(text, config, error)
            take_up()
            return False
        return True

    @property
    def in_force(self) -> tuple[str, Config]:
        """What `put_back` needs to put the present configuration in force again."""
        return self._text, self.current

    def put_back(self, text: str, config: Config, error: Exception) -> None:
        """Put the configuration before in force again, because the present one cannot be taken up."""
        _refuse(error)
        self._put_in_force(text, config)

    # --- over the end of a process -------------------------------------------------------------------------------------------

    def share(self) -> None:
        """Call it before a process is forked that may be replaced: its successors can then `resume`."""
        self._shared = SharedText()
        self._shared.write(self._text)

    def resume(self) -> None:
        """In a forked process: go on with what its predecessor had in force, whatever has become of the file since."""
        text = self._shared.read() if self._shared is not None else None
        if text is not None and text != self._text:
            self._text, self.current = text, self._parsed(text)
            self._seen = None

    def _put_in_force(self, text: str, config: Config) -> None:
        self._text, self.current = text, config
        if self._shared is not None:
            self._shared.write(text)

    def _parsed(self, text: str) -> Config:
        return parse_config(text, str(self.path), self._overrides)

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


class SharedText:
    """A text in memory that a process shares with those forked from it, and never on a disk: it may hold a mnemonic.

    There are two places, written in turn; the last byte to be written says which one holds, so that a process that is killed
    while it writes leaves the text before.
    """

    _HEAD: Final = 8
    _PLACE: Final = _HEAD + MAX_CONFIG_BYTES

    def __init__(self) -> None:
        self._memory = mmap(-1, 1 + 2 * self._PLACE)

    def write(self, text: str) -> None:
        """Keep the text; one process writes at a time."""
        data = text.encode()
        place = 1 - self._memory[0] % 2
        begin = 1 + place * self._PLACE
        head = len(data).to_bytes(4, "big") + zlib.crc32(data).to_bytes(4, "big")
        self._memory[begin : begin + self._HEAD + len(data)] = head + data
        self._memory[0] = place

    def read(self) -> str | None:
        """What was kept last; None if nothing was."""
        begin = 1 + self._memory[0] % 2 * self._PLACE
        length = int.from_bytes(self._memory[begin : begin + 4], "big")
        data = self._memory[begin + self._HEAD : begin + self._HEAD + length]
        crc = int.from_bytes(self._memory[begin + 4 : begin + self._HEAD], "big")
        return data.decode() if length and zlib.crc32(data) == crc else None
