"""Query parameters, read strictly: what is not within bounds is refused with what would be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request

from node.errors import BadParameterError

MAX_WHOLE_NUMBER_DIGITS = 6
MAX_ECHO_CHARACTERS = 20


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """A whole number in the query of a URL.

    `placeholder` stands for the value in the list of routes. `minimum` and `maximum` are both allowed. `default` is the value of a
    request that does not have the parameter, if there is one.
    """

    name: str
    placeholder: str
    description: str
    example: int
    minimum: int
    maximum: int
    default: int | None = None

    @property
    def text(self) -> str | None:
        """The value in the present request as it was written; None if the request does not have the parameter."""
        return request.args.get(self.name)

    @property
    def schema(self) -> dict[str, Any]:
        """The parameter as JSON Schema."""
        bounds = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        return bounds if self.default is None else bounds | {"default": self.default}

    def read_number(self) -> int:
        """The value in the present request, or the default; BadParameterError if it is not a whole number within the bounds."""
        text = self.text
        if text is None and self.default is not None:
            return self.default
        digits = text is not None and text.isascii() and text.isdigit() and len(text) <= MAX_WHOLE_NUMBER_DIGITS
        if text is None or not digits or not self.minimum <= int(text) <= self.maximum:
            raise BadParameterError(
                f"{self.name}={(text or '')[:MAX_ECHO_CHARACTERS]!r} is not a whole number from {self.minimum} to {self.maximum}",
                hint=f"Usual is {self.default}.",
            )
        return int(text)
