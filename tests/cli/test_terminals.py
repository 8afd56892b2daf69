"""Terminals that know ASCII or Latin-1 alone are written to in plain letters."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from node.terminal import write_plain_where_needed
from tests.cli.test_command import allora_node
from tests.support.ports import free_port


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config.json").write_text(json.dumps({"worker": [{"topicId": 3}]}))
    nowhere = {name: str(free_port()) for name in ("UPDATER_PORT", "WORKER_PORT")}
    return nowhere | {
        "CONFIG_FILE": str(tmp_path / "config.json"),
        "DATABASE_URL": f"sqlite:///{tmp_path}/node.db",
        "MODEL_STORE": str(tmp_path / "models"),
        "EXCHANGE_URLS": f"http://127.0.0.1:{free_port()}",
        "INFERENCE_URL": f"http://127.0.0.1:{free_port()}",
        "CHAIN_GRPC_URL": f"grpc+http://127.0.0.1:{free_port()}",
        "CHAIN_ID": "localnet",
    }


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("command", [("status",), ("check", "--timeout", "1"), ("topics",), ("config", "check")])
def test_what_a_terminal_cannot_show_is_shown_in_plain_letters(
    command: tuple[str, ...], encoding: str, environment: dict[str, str]
) -> None:
    done = allora_node(*command, PYTHONIOENCODING=encoding, PYTHONUTF8="0", **environment)
    assert "Error" not in done.stderr, done.stderr
    assert done.stdout.isascii() or encoding == "latin-1"
    if command[0] == "status":
        assert "x down" in done.stdout


def test_an_error_is_told_in_plain_letters_too(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"worker": [{"topicId": 3, "größe": 1}]}', encoding="utf-8")
    done = allora_node("status", PYTHONIOENCODING="ascii", PYTHONUTF8="0", **environment)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "gr??e: unknown key" in done.stderr


def test_every_sign_of_the_screens_has_its_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    write_plain_where_needed()
    stream.write("✓ ✗ … – → ä")
    stream.flush()
    assert stream.buffer.getvalue() == b"+ x ... - -> ?"  # type: ignore[attr-defined]
