"""The `.env` files, looked through before they are used: what in them would be passed over in silence is refused instead."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from node.errors import ConfigError

ENCODING: Final = "utf-8-sig"
"""UTF-8, with the mark at its beginning that some editors write, or without."""

OF_COMPOSE: Final = frozenset({
    "CONFIG_FOLDER", "TORCH_INDEX", "UPDATER_MEMORY", "UPDATER_CPUS", "CHAIN_HTTP_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT",
    "REVISION",
})  # fmt: skip
"""Variables that docker compose alone reads."""

NEARLY: Final = 0.8
"""From this likeness on a name is taken for a slip of the pen; below it, it is another program's."""

_SEE: Final = "Every variable stands in .env.example."


def check_environment_file(path: Path, known: Collection[str]) -> None:
    """ConfigError, which never shows a value, unless every line can be read and no name is nearly one of `known` (in capitals)."""
    if not path.is_file():
        return
    try:
        text = path.read_bytes().decode(ENCODING)
    except OSError as error:
        hint = "Give it to the user this process runs as, or remove it."
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text", hint="Save it as UTF-8.") from None
    if "\0" in text:
        raise ConfigError(f"{path} is not UTF-8 text", hint="Save it as UTF-8.")
    for binding in parse_stream(StringIO(text)):
        written = binding.original.string
        line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
        if binding.error:
            hint = "Write NAME=value; a value that begins with a quote must end with the same one."
            raise ConfigError(f"{path} cannot be read at line {line}: is a quote not closed?", hint=hint)
        if binding.key is not None:
            _check_name(path, line, binding.key, known)


def _check_name(path: Path, line: int, key: str, known: Collection[str]) -> None:
    name = key.upper()
    if name in known or name in OF_COMPOSE:
        return
    near = difflib.get_close_matches(name, known, n=1, cutoff=NEARLY)
    if near:
        raise ConfigError(f"{path}, line {line}: {key} is not known; did you mean {near[0]}?", hint=_SEE)
