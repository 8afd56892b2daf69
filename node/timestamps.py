"""Instants as people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime

from node.durations import SECOND_MS


def utc_text(time_ms: int) -> str:
    """2025-06-15T15:59:00Z for milliseconds since 1970 UTC."""
    return datetime.fromtimestamp(time_ms / SECOND_MS, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
