"""Changes to JSON that keep it JSON: a mutator of bytes hardly ever gets past the first bracket."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

DIGITS = "ten thousand digits"
"""Stands for a number that Python's own writer of JSON refuses to write."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**18, 2**63, 10**400, 1e308, -1e308, 5e-324, float("inf"), float("nan"), DIGITS,
    "", " ", "0", "NaN", "1e999", "-0", "\ud800", "\u0000", "../..", "x" * 300, [], {}, [[]], [None], {"": None},
)  # fmt: skip


def mutated(data: bytes, largest: int, random: Random, of_bytes: Callable[[bytes, int], bytes]) -> bytes:
    """Other bytes than `data`, at most `largest`: half of the time by `of_bytes`, else by changing the JSON that it holds."""
    head, end, body = data.rpartition(b"\r\n\r\n") if data.startswith(b"HTTP/") else (b"", b"", data)
    try:
        tree = json.loads(body) if random.random() < 0.5 else None
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, (list, dict)):
        return of_bytes(data, largest)
    try:
        for _ in range(random.choice((1, 1, 2, 4))):
            tree = _changed(tree, random)
        text = json.dumps(tree)
    except (ValueError, RecursionError):
        return of_bytes(data, largest)
    made = head + end + text.replace(f'"{DIGITS}"', "9" * 10_000).encode()
    return made if len(made) <= largest else of_bytes(data, largest)


def _changed(value: Any, random: Random) -> Any:
    """`value` with one change somewhere in it."""
    if not isinstance(value, (list, dict)) or not value or random.random() < 0.1:
        return _instead(value, random)
    key = random.choice(range(len(value)) if isinstance(value, list) else list(value))
    copy = value.copy()
    chance = random.random()
    if chance < 0.75:
        copy[key] = _changed(copy[key], random)
    elif chance < 0.85:
        del copy[key]
    elif isinstance(copy, list):
        copy.insert(random.randrange(len(copy) + 1), copy[key])
    else:
        name = str(key)
        other = random.choice([name.upper(), name.lower(), name + "x", random.choice(list(copy))])
        copy[other] = copy.pop(key)
    return copy


def _instead(value: Any, random: Random) -> Any:
    """Something else in the place of `value`, often of its kind."""
    if random.random() < 0.4:
        if isinstance(value, str) and value:
            place = random.randrange(len(value))
            return random.choice([value[:place], value + value, value[:place] + random.choice("09 .-eé{}") + value[place + 1 :]])
        if isinstance(value, int | float) and not isinstance(value, bool):
            return random.choice([value + 1, -value, value * 1000, value / 3 if abs(value) < 1e300 else 0, str(value)])
        return [value]
    return random.choice(VALUES)
