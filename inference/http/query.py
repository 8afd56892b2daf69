"""Query parameters, read strictly: what is not within bounds is refused with what would be."""

from __future__ import annotations

from node.errors import BadParameterError


def whole_number(name: str, text: str | None, *, usual: int, most: int) -> int:
    """A whole number from 1 to `most`, `usual` if the request does not say; BadParameterError for anything else."""
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
        raise BadParameterError(f"{name}={text[:20]!r} is not a whole number from 1 to {most}", hint=f"Usual is {usual}.")
    return int(text)
