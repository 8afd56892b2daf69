"""What a fuzz target is: bytes go in, and either a parser of the node takes them or it says in the node's own words why not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from node.errors import NodeError, RateLimitedError
from tests.support.errors import error_text

LONGEST_MESSAGE = 2_000
LONGEST_SILENCE_SECONDS = 3 * 24 * 3600

Check = Callable[[bytes], bool]
"""Gives the bytes to the parser: True if it took them and what it made of them is sound, False if it refused them as it should.

Whatever else it raises is a fault, and so is an AssertionError.
"""


@dataclass(frozen=True)
class Target:
    """A parser: `prepare` makes its check in a folder of its own, `seeds` what it is really given, `words` what may stand in it."""

    prepare: Callable[[Path], AbstractContextManager[Check]]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()


def check_refusal(error: NodeError, longest: int = LONGEST_MESSAGE) -> None:
    """A refusal can be written down anywhere, is no longer than that many bytes, and asks for no endless silence."""
    said = error_text(error).encode()
    assert len(said) <= longest, f"a message of {len(said)} bytes"
    if isinstance(error, RateLimitedError):
        assert 0 < error.retry_after <= LONGEST_SILENCE_SECONDS
