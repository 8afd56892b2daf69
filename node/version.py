"""Which version of the node runs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def code_version() -> str:
    """The installed version of this node, or "unknown"."""
    try:
        return version("allora-worker-node")
    except PackageNotFoundError:
        return "unknown"
