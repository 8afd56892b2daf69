"""Which version of the node runs. pyproject.toml takes it from here, because a container runs the node without installing it."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
