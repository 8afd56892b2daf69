"""`make fuzz` itself: it finds what a parser cannot take, keeps it, and says how much was tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.system.fuzz.__main__ import fuzz
from tests.system.fuzz.target import Check, Target

pytestmark = pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this machine")


@contextmanager
def _breaks(_: Path) -> Iterator[Check]:
    def check(data: bytes) -> bool:
        if data.startswith(b"[") and b"break" in data:
            raise KeyError("not the node's own")
        return True

    yield check


BROKEN = Target(_breaks, lambda: [b"[1]"], (b"break",))


def test_what_a_parser_cannot_take_is_found_and_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = "tests.system.fuzz.test_runner:BROKEN"
    assert not fuzz(name, 30, tmp_path)
    (kept,) = (tmp_path / "faults" / name).iterdir()
    assert b"break" in kept.read_bytes()
    assert 'KeyError: "not the node\'s own"' in capfd.readouterr().err


def test_a_parser_that_takes_everything_is_said_to_and_what_was_learnt_is_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert fuzz("checksum", 2, tmp_path)
    executions, counters = re.findall(r"(\d+) executions, (\d+) counters", capfd.readouterr().out)[0]
    assert int(executions) > 100
    assert int(counters) > 10
    assert len(list((tmp_path / "corpus/checksum").iterdir())) > 1
    assert list((tmp_path / "faults/checksum").iterdir()) == []
