"""Whoever reads the log may go away, stand still or have no room: that costs lines and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
import structlog

from node.lines import LineWriter
from node.logs import configure_logs
from tests.support.paths import ROOT


@contextmanager
def logging_to(stream: TextIO, monkeypatch: pytest.MonkeyPatch, style: str = "console") -> Iterator[structlog.BoundLogger]:
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs("updater", "info", style)  # type: ignore[arg-type]
    yield structlog.get_logger()
    monkeypatch.undo()
    configure_logs("updater", "info", style)  # type: ignore[arg-type]


def say_within_except(log: structlog.BoundLogger) -> None:
    """As every loop does it."""
    try:
        raise ZeroDivisionError("zero")
    except ZeroDivisionError as error:
        log.exception("loop failed, starting it again", error=error)


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_line_for_a_reader_that_has_gone_raises_nothing(monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, logging_to(stream, monkeypatch, style) as log:
        os.close(reading)
        for number in range(3):
            say_within_except(log.bind(number=number))


def test_a_line_for_a_full_disk_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as stream, logging_to(stream, monkeypatch) as log:
        say_within_except(log)


def test_a_line_for_a_stream_that_was_closed_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, logging_to(stream, monkeypatch) as log:
        stream.close()
        say_within_except(log)
    os.close(reading)


def test_a_reader_that_stands_still_holds_nobody_up_and_is_told_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, logging_to(stream, monkeypatch) as log:
        for number in range(3000):
            log.info("a line as long as others are", number=number)
        os.set_blocking(reading, False)
        seen = b""
        while part := _read(reading):
            seen += part
        log.info("the reader reads again")
        rest = _read(reading).decode().splitlines()
    os.close(reading)
    assert 100 < seen.count(b"\n") < 3000
    assert "lines of the log were lost" in rest[-2]
    assert "the reader reads again" in rest[-1]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""


class Unspeakable:
    """What cannot be put into words."""

    def __repr__(self) -> str:
        raise RuntimeError("no words for it")


@pytest.mark.parametrize("style", ["console", "json"])
def test_what_cannot_be_put_into_words_raises_nothing(
    style: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logs("updater", "info", style)  # type: ignore[arg-type]
    structlog.get_logger().warning("something happened", what=Unspeakable())
    structlog.get_logger().info("something happened", what=Unspeakable())
    assert "could not be logged" in capsys.readouterr().err


def test_half_of_a_character_is_written_in_a_way_that_can_be(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        assert LineWriter(stream).write("half: \ud83d")
    assert (tmp_path / "log").read_text() == "half: \\ud83d\n"


@pytest.mark.parametrize("module", ["updater", "inference", "worker"])
def test_what_is_wrong_with_the_config_is_an_exit_code_also_where_nobody_reads_why(module: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"worker": [], "wrong": 1}')
    environment = os.environ | {"CONFIG_FILE": str(tmp_path / "config.json"), "DATABASE_URL": f"sqlite:///{tmp_path}/node.db"}
    reading, writing = os.pipe()
    with subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment, stderr=writing) as process:
        os.close(reading)
        os.close(writing)
        assert process.wait(60) == 2
