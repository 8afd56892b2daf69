"""Secrets have a type of their own, and what has ever been one is not written into a log.

A `Secret` shows itself as asterisks. Because whoever uses its value may let it slip all the same, its value is remembered here, and
`hide` takes it out of any text: the last thing that happens to a line of the log, traceback and all.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, SecretStr

MASK: Final = "**********"
SHORTEST: Final = 6
"""What is shorter would be found in the middle of other words; no mnemonic and no key is."""
MAX_REMEMBERED_SECRETS: Final = 100

_PASSWORD_IN_URL: Final = re.compile(r"(?<=://)([^\s/:@'\"]*):[^\s/@'\"]+@")
_SPACE: Final = r"(?:\s|\\+(?:[nrtfv]|x[0-9a-f]{2}|u[0-9a-f]{4}))+"
_lock = threading.Lock()
_remembered: dict[str, re.Pattern[str]] = {}


class Secret(SecretStr):
    """A mnemonic or a key; `get_secret_value` is called where it is used and nowhere else."""

    def __init__(self, secret_value: str) -> None:
        super().__init__(secret_value)
        _remember(secret_value)


def _remember(value: str) -> None:
    words = value.split()
    known = " ".join(words)
    if len(known) < SHORTEST:
        return
    pattern = re.compile(_SPACE.join("".join(map(_written, word)) for word in words), re.IGNORECASE)
    with _lock:
        _remembered.pop(known, None)
        _remembered[known] = pattern
        if len(_remembered) > MAX_REMEMBERED_SECRETS:
            del _remembered[next(iter(_remembered))]


def _written(character: str) -> str:
    """A pattern of every way in which JSON and repr write a character, also one inside the other."""
    ways = {character, json.dumps(character)[1:-1], repr(character)[1:-1], ascii(character)[1:-1]}
    pattern = "|".join(re.escape(way).replace(r"\\", r"\\+") for way in sorted(ways))
    return rf"\\*(?:{pattern})" if character in "\"'" else f"(?:{pattern})"


def hide(text: str) -> str:
    """`text` without any value that was a `Secret`, in whatever spacing and case, and without passwords in URLs."""
    with _lock:
        patterns = list(_remembered.values())
    for pattern in patterns:
        text = pattern.sub(MASK, text)
    return _PASSWORD_IN_URL.sub(rf"\1:{MASK}@", text)


def secret_names(*models: type[BaseModel]) -> frozenset[str]:
    """What the secret fields of `models` and of their sections are called, in the code and in files and the environment."""
    names: set[str] = set()
    for model in models:
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                names |= secret_names(field.annotation)
            elif any(isinstance(part, type) and issubclass(part, SecretStr) for part in get_args(field.annotation)):
                names |= {name, name.upper(), field.alias or name}
    return frozenset(names)


def without_secrets(value: Any, names: frozenset[str]) -> Any:
    """`value` with asterisks for every `SecretStr` and for whatever stands under one of `names`, at any depth."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Mapping):
        return {key: MASK if key in names else without_secrets(part, names) for key, part in value.items()}
    return [without_secrets(part, names) for part in value] if isinstance(value, list | tuple) else value
