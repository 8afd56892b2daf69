"""config.json while the node runs: an edit takes effect without a restart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from node.config.file import load_config
from node.errors import ConfigError

log = structlog.get_logger(__name__)


class ConfigFile:
    """The file on disk, read again when it changes; a bad edit is refused and the last good one stays in force."""

    def __init__(self, path: Path, overrides: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._overrides = overrides
        self.current = load_config(path, overrides)
        self._seen = self._stamp()

    def changed(self) -> bool:
        """Read the file if it was touched; True when `current` is now another configuration."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            config = load_config(self.path, self._overrides)
        except ConfigError as error:
            log.error("config refused, the last good one stays in force", reason=error.message, hint=error.hint)
            return False
        if config == self.current:
            return False
        self.current = config
        log.info("config changed", topics=[entry.topic_id for entry in config.worker])
        return True

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
