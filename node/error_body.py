"""The one form in which every HTTP error leaves the node."""

from __future__ import annotations

import json


def error_body(code: str, message: str, hint: str) -> bytes:
    """The one form in which every HTTP error of the node leaves, as JSON."""
    return json.dumps({"error": {"code": code, "message": message, "hint": hint}}, ensure_ascii=False).encode()
