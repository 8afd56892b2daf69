"""What is written for people on terminals that know ASCII or Latin-1 alone."""

from __future__ import annotations

import codecs
import io
import sys
from typing import Final

PLAIN: Final = {"✓": "+", "✗": "x", "…": "...", "–": "-", "→": "->", "×": "x", "√": "sqrt ", "σ": "sigma"}
ERRORS: Final = "allora-plain"


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(character, "?") for character in error.object[error.start : error.end]), error.end


codecs.register_error(ERRORS, _plain)


def write_plain_where_needed() -> None:
    """Let standard output and error write what they cannot encode in plain letters, instead of failing at it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)
