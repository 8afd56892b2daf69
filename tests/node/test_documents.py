"""What the documents claim about configuration is what the code does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from node.config import Config, Parameters, config_schema
from tests.support.paths import ROOT


def keys(model: Any = Config, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        path = prefix + (field.alias or name)
        if path == "worker":
            found |= {"worker[].topicId", "worker[].parameters"}
        elif hasattr(field.annotation, "model_fields"):
            found |= keys(field.annotation, f"{path}.")
        else:
            found.add(path)
    return found


def test_every_key_is_documented_and_every_documented_key_exists() -> None:
    text = (ROOT / "docs/configuring.md").read_text()
    documented = set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))
    assert documented == keys() | {field.alias for field in Parameters.model_fields.values()}


def test_the_schema_in_docs_is_the_generated_one() -> None:
    assert json.loads((ROOT / "docs/config.schema.json").read_text()) == json.loads(json.dumps(config_schema()))


@pytest.mark.parametrize("key", ["retrainEvery", "staleAfter"])
def test_spans_of_time_are_strings_in_the_schema(key: str) -> None:
    sections = config_schema()["$defs"]
    schema = next(section["properties"][key] for section in sections.values() if key in section.get("properties", {}))
    assert (schema["type"], isinstance(schema["default"], str)) == ("string", True)


def test_every_promise_in_the_readme_names_a_test_that_exists() -> None:
    promised = re.findall(r"`(test_\w+)`", (ROOT / "README.md").read_text())
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(promised) >= 8
    assert [name for name in promised if f"def {name}(" not in sources] == []
