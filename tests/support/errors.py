"""Everything that an error says to people."""

from __future__ import annotations

from node.errors import NodeError


def error_text(error: NodeError) -> str:
    """Its message and its hint."""
    return f"{error.message}\n{error.hint}"
