"""The JSON Schema of config.json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from node.config.file import Config
from node.durations import Duration


def _walk(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _walk(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _walk(value)


def config_schema() -> dict[str, Any]:
    """JSON Schema of config.json, for editors: generated, never edited by hand."""
    schema = Config.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Allora worker node: config.json"
    for part in _walk(schema):
        if part is not schema and isinstance(part.get("title"), str):
            del part["title"]  # pydantic repeats the key's name there
        if isinstance(part.get("default"), dict) and part["default"].keys() == {"ms"}:
            part["default"] = str(Duration(part["default"]["ms"]))
    return schema
