"""Logs in both forms: one line an event, the same name for the same thing, and no more of them than an operator can read."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator

import pytest
import structlog

from node import logs
from node.errors import ChainUnreachableError, ConfigError
from node.logs import configure_logs
from tests.support.paths import ROOT

ROOMS = ("node", "market", "forecasting", "model_store", "updater", "inference", "worker")
METHODS = {f"log.{level}" for level in ("debug", "info", "warning", "error", "exception")}
OTHER_WORDS = {"cell", "topic_id", "number", "pair", "token", "ver", "secs", "duration", "elapsed", "err", "exc", "msg"}
"""For what is called topic, symbol, version, seconds and error."""

Lines = Callable[[], list[str]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    def said() -> list[str]:
        return capsys.readouterr().err.splitlines()

    return said


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a `log` in the node's own code, with its place."""
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in METHODS:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_on_a_terminal_an_event_is_one_line_that_begins_with_what_it_is_about(lines: Lines) -> None:
    configure_logs("updater", "info", "console")
    structlog.get_logger().info("trained", seconds=2.1, verdict="better", version="20260101", topic=1)
    (line,) = lines()
    assert line.partition("] ")[2].split() == ["trained", "topic=1", "version=20260101", "seconds=2.1", "verdict=better"]


def test_in_a_container_an_event_is_one_json_object(lines: Lines) -> None:
    configure_logs("updater", "info", "json")
    with structlog.contextvars.bound_contextvars(topic=1):
        structlog.get_logger().info("trained", seconds=2.1, version="20260101")
    (line,) = lines()
    said = json.loads(line)
    assert list(said) == ["timestamp", "level", "process", "event", "topic", "version", "seconds"]
    assert said["timestamp"].endswith("Z")
    assert said | {"process": "updater", "event": "trained", "topic": 1, "version": "20260101", "seconds": 2.1} == said


def test_an_exception_is_still_one_json_object(lines: Lines) -> None:
    configure_logs("worker", "info", "json")
    try:
        raise ZeroDivisionError("zero")
    except ZeroDivisionError as error:
        structlog.get_logger().exception("unforeseen", topic=1, error=error)
    (line,) = lines()
    said = json.loads(line)
    assert said["error"] == "ZeroDivisionError: zero"
    assert said["exception"].startswith("Traceback")


@pytest.mark.parametrize("style", ["console", "json"])
def test_what_fails_every_second_is_said_once_a_minute(style: str, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(logs.time, "perf_counter", lambda: now)
    configure_logs("worker", "info", style)  # type: ignore[arg-type]
    log = structlog.get_logger()
    for second in range(90):
        now = 100.0 + second
        log.warning("no answer", topic=1, error=ChainUnreachableError(f"attempt {second}"))
    assert len(found := lines()) == 2
    assert "attempt 60" in found[1]
    assert "59" in found[1].partition("repeated")[2]


def test_what_is_about_something_else_or_another_error_is_said_all_the_same(lines: Lines) -> None:
    configure_logs("worker", "info", "console")
    log = structlog.get_logger()
    log.warning("no answer", topic=1, error=ChainUnreachableError("gone"))
    log.warning("no answer", topic=2, error=ChainUnreachableError("gone"))
    log.warning("no answer", topic=1, error=ConfigError("wrong"))
    log.info("submitted", topic=1)
    log.info("submitted", topic=1)
    assert len(lines()) == 5


def test_events_are_plain_words_and_the_same_thing_has_the_same_name_everywhere() -> None:
    calls = list(log_calls())
    assert len(calls) > 50
    for place, call in calls:
        names = {keyword.arg for keyword in call.keywords if keyword.arg}
        event = call.args[0]
        assert not names & OTHER_WORDS, place
        if not (place.startswith("worker/outcomes.py") or isinstance(event, ast.IfExp)):
            assert isinstance(event, ast.Constant), f"{place}: figures belong into fields, not into the event"


def test_no_log_names_a_secret() -> None:
    for place, call in log_calls():
        for keyword in call.keywords:
            named = {part.attr for part in ast.walk(keyword.value) if isinstance(part, ast.Attribute)} | {keyword.arg}
            assert not named & {"mnemonic", "api_key", "password", "secret", "private_key"}, place
