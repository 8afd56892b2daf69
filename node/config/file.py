"""The whole of config.json, and how its text becomes an object: every slip is one readable message with its place."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import structlog
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from node.config.endpoints import check_endpoints, completed
from node.config.schema import Inference, Parameters, Section, Updater, Wallet, WorkerEntry, nearest
from node.config.topic_resolution import topic_of
from node.errors import ConfigError
from node.go_node_config import Normaliser
from node.topics import Topic

log = structlog.get_logger(__name__)

MAX_CONFIG_BYTES = 1_000_000
ENCODING = "utf-8-sig"
"""UTF-8, with the mark at its beginning that some editors write, or without."""


class Config(Section):
    """The whole file."""

    schema_file: str | None = Field(None, alias="$schema", description="Lets an editor complete and check this file.")
    network: Literal["testnet", "mainnet"] = Field("testnet", description="Which network's topics these are.")
    wallet: Wallet = Field(default_factory=Wallet, description="Who submits.")
    worker: tuple[WorkerEntry, ...] = Field(description="The topics to answer.", min_length=1, max_length=200)
    updater: Updater = Field(default_factory=Updater, description="How candles are kept and models are trained.")
    inference: Inference = Field(default_factory=Inference, description="When an answer is good enough to be served.")

    @model_validator(mode="after")
    def _topics_are_complete(self) -> Self:
        counts = Counter(entry.topic_id for entry in self.worker)
        for number, count in counts.items():
            if count > 1:
                raise ValueError(f"topic {number} stands {count} times under worker; keep one of them")
        for index, entry in enumerate(self.worker):
            try:
                topic_of(entry, self.network, "http://localhost")
            except ValueError as error:
                raise ValueError(f"worker[{index}] (topic {entry.topic_id}): {error}") from None
        check_endpoints(self.topics("http://localhost"))
        return self

    def topics(self, inference_url: str) -> tuple[Topic, ...]:
        """Every topic in the file's order; `inference_url` is this node's own service."""
        return completed(self.topics_as_written(inference_url))

    def topics_as_written(self, inference_url: str) -> tuple[Topic, ...]:
        """The same with endpoints that may leave open for which topic they ask."""
        return tuple(topic_of(entry, self.network, inference_url) for entry in self.worker)


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read and check `path` with `overrides` laid over it; ConfigError with one readable message for anything wrong with it."""
    return parse_config(read_config(path), str(path), overrides)


def read_config(path: Path) -> str:
    """The text of `path`; ConfigError if it cannot be read."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_CONFIG_BYTES} bytes", hint="It should be a short JSON file.")
        return path.read_bytes().decode(ENCODING)
    except OSError as error:
        hint = "Start from the config.json that comes with the node, or set CONFIG_FILE."
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text", hint="Save it as UTF-8.") from None


def parse_config(text: str, name: str = "config.json", overrides: Mapping[str, Any] | None = None) -> Config:
    """Check the text of a config file with `overrides` laid over it; `name` is what errors call it."""
    try:
        content = json.loads(text)
        json.dumps(content, ensure_ascii=False).encode()  # an escape may stand for half of a character
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits is a ValueError
        place = f" at line {error.lineno}, column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"{name} is not JSON{place}", hint="Look for a missing comma, quote or bracket there.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{name} must be a JSON object", hint='It starts with {"network": …}.')
    content, notes = in_todays_form(content)
    for note in notes:
        _tell_once(name, note)
    laid_over, _ = in_todays_form(overrides or {})
    try:
        return Config.model_validate(_laid_over(content, laid_over))
    except ValidationError as error:
        lines = [f"{name}: {_describe(detail)}" for detail in _telling(error.errors())[:10]]
        raise ConfigError("\n".join(lines), hint="Every key stands in docs/configuring.md.") from None


def _laid_over(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Sections are merged key by key; anything else is replaced."""
    merged = dict(content)
    for key, value in overrides.items():
        below = merged.get(key)
        merged[key] = _laid_over(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return merged


def _telling(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without the complaint that a list is empty because each of its entries was refused."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short" or not any(place[: len(detail["loc"])] == detail["loc"] != place for place in places)
    ]


def in_todays_form(content: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """An official node's file as this node writes it, and what was left out of it; this node's own file is unchanged."""
    sections = ("", "wallet", "worker", "parameters")
    normaliser = Normaliser({section: _known_keys((section,)) for section in sections})
    return normaliser.normalise(content), normaliser.notes


_told: set[tuple[str, str]] = set()


def _tell_once(name: str, note: str) -> None:
    if (name, note) not in _told:
        _told.add((name, note))
        log.warning("config.json of the official node", note=note)


def _describe(detail: ErrorDetails) -> str:
    path = _path(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{path}: unknown key{nearest(str(detail['loc'][-1]), _known_keys(detail['loc'][:-1]))}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{path}: {message}" if path else message


def _path(location: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the section at `location` has."""
    sections: Mapping[str, type[BaseModel]] = {
        "": Config, "wallet": Wallet, "worker": WorkerEntry, "parameters": Parameters, "updater": Updater, "inference": Inference
    }  # fmt: skip
    names = [part for part in location if isinstance(part, str)]
    section = sections.get(names[-1] if names else "", Config)
    return [field.alias or name for name, field in section.model_fields.items()]
