"""What command-line options mean: lists, dates and spans of time, with an error that says what is wrong with which option."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer

from node.durations import SECOND_MS
from node.topics import TOKEN_PATTERN

T = TypeVar("T")

Topics = Annotated[
    list[int] | None, typer.Option("--topic", "-t", help="Number of a topic in config.json; may be given again. Default: all.")
]


def read_list(option: str, values: list[str] | None, read: Callable[[str], T]) -> tuple[T, ...]:
    """An option given several times, or once with commas; empty if it was not given."""
    parts = [part.strip() for value in values or [] for part in value.split(",") if part.strip()]
    return tuple(dict.fromkeys(read_one(option, part, read) for part in parts))


def read_one(option: str, value: str, read: Callable[[str], T]) -> T:
    """One value; a usage error naming the option if it cannot be read."""
    try:
        return read(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def instant_ms(text: str) -> int:
    """A date such as `2025-06-30`, which means its beginning, or `2025-06-30T12:00`, as milliseconds since the epoch.

    In UTC unless it says otherwise. ValueError for anything else.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date; write it like 2025-06-30 or 2025-06-30T12:00") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * SECOND_MS)


def one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    """Reads a name that must be among `known`."""

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"{text!r} is not known; known are {', '.join(known)}")
        return text

    return read


def token_of(text: str) -> str:
    """A token in capitals; ValueError if it is none."""
    if not TOKEN_PATTERN.fullmatch(text.upper()):
        raise ValueError(f"{text!r} is not a token; write letters and digits, such as BTC")
    return text.upper()
