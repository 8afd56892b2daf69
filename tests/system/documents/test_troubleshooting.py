"""docs/troubleshooting.md and the code say the same: every code, outcome and complaint is there, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from node import errors
from tests.support.paths import ROOT
from worker import metrics, outcomes

ROOMS = ("node", "market", "forecasting", "model_store", "updater", "inference", "worker", "cli")
PAGE = (ROOT / "docs/troubleshooting.md").read_text()
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if re.match(r"\| (?!-|you see|status|outcome|code \|)", line)]
SEEN = "\n".join(row[0] for row in ROWS)
GAP = "…"
LOUD = {"warning", "error", "exception"}
OF_HTTP = {404: "not_found", 405: "method_not_allowed"}
"""Named by the HTTP library; the application has a hint for each."""


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for room in ROOMS for path in (ROOT / room).rglob("*.py")}


def text_of(node: ast.AST) -> str | None:
    """A string of the code, with a gap for everything that is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values)  # type: ignore[misc]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


@cache
def texts() -> frozenset[str]:
    return frozenset(text for tree in trees().values() for node in ast.walk(tree) if (text := text_of(node)))


def calls() -> Iterator[ast.Call]:
    return (node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.Call))


def complaints() -> set[str]:
    """What is logged as a warning or worse."""
    return {
        text
        for call in calls()
        if isinstance(call.func, ast.Attribute) and call.func.attr in LOUD and call.args
        if "log" in ast.unparse(call.func.value) and (text := text_of(call.args[0]))
    } | {"not submitted", "the wallet's balance is low"}


def codes_of_errors() -> set[str]:
    return {item.code for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.NodeError)}


def codes_of_http() -> set[str]:
    """What the answers of inference say beside the node's own errors."""
    made = set()
    for call in calls():
        name = getattr(call.func, "id", "")
        place = {"error_body": 0, "error_answer": 1}.get(name)
        if place is not None and (text := text_of(call.args[place])):
            made.add(text)
    return made | set(OF_HTTP.values())


def names_of_outcomes() -> set[str]:
    return {value for name, value in vars(outcomes).items() if name.isupper() and isinstance(value, str)}


def is_in_code(quoted: str) -> bool:
    pieces = [piece for piece in re.split(GAP, quoted) if piece.strip()]
    pattern = re.compile(".*".join(map(re.escape, pieces)), re.DOTALL)
    return any(pattern.search(text) for text in texts())


def test_every_code_and_every_outcome_is_explained() -> None:
    codes = codes_of_errors() | codes_of_http() | names_of_outcomes()
    assert len(codes) > 40
    assert {code for code in codes if f"`{code}`" not in SEEN} == set()


def test_every_complaint_of_the_log_is_explained() -> None:
    said = complaints()
    assert len(said) > 35
    assert {text for text in said if f"`{text}`" not in PAGE} == set()


def test_no_code_and_no_outcome_is_explained_that_does_not_exist() -> None:
    words = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", SEEN))
    known = codes_of_errors() | codes_of_http() | names_of_outcomes() | complaints()
    assert {word for word in words - known if not is_in_code(word)} == set()
    assert {word for word in words if "_" in word and not word.startswith("allora_")} <= known


@pytest.mark.parametrize("kind", ["log", "check", "code", "alert"])
def test_what_is_quoted_is_what_there_is(kind: str) -> None:
    quoted = re.findall(rf"\b{kind} `([^`]+)`", PAGE, re.IGNORECASE)
    assert quoted
    if kind == "log":
        words = set(metrics._WORDS.values())
        assert set(quoted) <= complaints() | words
    elif kind == "code":
        assert set(quoted) <= codes_of_errors() | codes_of_http()
    elif kind == "alert":
        assert set(quoted) == set(re.findall(r"alert: (\w+)", (ROOT / "deploy/prometheus/alerts.yml").read_text()))
    else:
        assert [one for one in quoted if not is_in_code(one.partition(" not yet: ")[2] or one)] == []


def test_every_message_that_is_quoted_is_said() -> None:
    messages = [message for message in re.findall(r"`([^`]+)`", SEEN) if " " in message]
    assert len(messages) > 40
    assert [message for message in messages if not is_in_code(message.removeprefix("… not yet: "))] == []


def test_every_metric_named_exists() -> None:
    """docs/metrics.md is held to the metrics themselves."""
    named = set(re.findall(r"`(allora_\w+)`", PAGE))
    assert named
    assert named <= set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))


def test_every_status_is_that_of_its_code() -> None:
    stated = {code: int(status) for status, code in re.findall(r"^\| (\d{3}) `(\w+)`", PAGE, re.MULTILINE)}
    real = {
        item.code: item.status for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.AnswerError)
    }
    assert stated.items() >= {code: status for code, status in real.items() if code != "answer_error"}.items()
    assert stated.items() >= {code: status for status, code in OF_HTTP.items()}.items()
