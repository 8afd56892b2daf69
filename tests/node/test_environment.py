"""The environment and `.env`: what in them was meant is understood, or said to be wrong, and never passed over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.config import Config
from node.environment import DEMO_FILE, load_settings
from node.errors import ConfigError
from tests.support.errors import error_text
from tests.support.paths import ROOT


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", [".env", DEMO_FILE])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("MODEL_STORE=/größe\n".encode("latin-1"), "not UTF-8"),
        ("MODEL_STORE=/models\n".encode("utf-16"), "not UTF-8"),
        ("MODEL_STORE=/models\n".encode("utf-16-le"), "not UTF-8"),
        (b'LOG_LEVEL=info\nALLORA_API_KEY="secret-of-mine\nMODEL_STORE=/models\n', "line 2"),
        (b"INFERENC_PORT=9000\n", "did you mean INFERENCE_PORT?"),
        (b"\nLOGLEVEL=debug\n", "line 2: LOGLEVEL is not known; did you mean LOG_LEVEL?"),
        (b"ALLORA_MNEMONIC=secret-of-mine\n", "did you mean ALLORA_MNEMONIC_FILE?"),
        (b"export exchange_url=https://one\n", "did you mean EXCHANGE_URLS?"),
    ],
)
def test_an_environment_file_that_cannot_be_understood_is_one_message_without_any_value(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"\.env") as caught:
        load_settings()
    assert said in caught.value.message
    assert caught.value.hint
    assert "secret-of-mine" not in error_text(caught.value)


def test_an_environment_file_that_cannot_be_read_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=debug\n")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError, match=r"\.env cannot be read: Permission denied"):
        load_settings()


def test_the_mark_that_some_editors_write_does_not_hide_the_first_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfINFERENCE_PORT=9000\n")
    assert load_settings().inference_port == 9000


def test_other_programs_variables_and_those_of_compose_are_nobodys_slip(tmp_path: Path) -> None:
    listed = (ROOT / ".env.example").read_text().replace("#", "").splitlines()
    lines = [line for line in listed if "=" in line and line.split("=")[0].isupper()]
    (tmp_path / ".env").write_text(
        "\n".join([*lines, "COMPOSE_PROJECT_NAME=x", "HTTPS_PROXY=http://proxy:3128", "POSTGRES_PASSWORD=y"])
    )
    assert load_settings().inference_port == 8000


def test_a_folder_in_the_place_of_an_environment_file_is_no_such_file(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert load_settings().inference_port == 8000


@pytest.mark.parametrize("name", ["INFERENCE_PORT", "UPDATER_PORT", "WORKER_PORT"])
def test_what_kubernetes_writes_for_a_service_of_that_name_is_no_port(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = load_settings()
    monkeypatch.setenv(name, "tcp://10.96.0.12:8000")
    assert load_settings() == usual
    (tmp_path / ".env").write_text(f"{name}=9000\n")
    assert getattr(load_settings(), name.lower()) == 9000
    monkeypatch.setenv(name, "tcp")
    with pytest.raises(ConfigError, match=name):
        load_settings()


@pytest.mark.parametrize(
    ("written", "level"),
    [("INFO", "info"), ("warn", "warning"), ("Warning", "warning"), ("ERR", "error"), ("critical", "error"), (" debug ", "debug")],
)
def test_a_level_of_the_log_is_known_in_any_case_and_by_its_other_names(
    written: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", written)
    monkeypatch.setenv("LOG_FORMAT", "JSON")
    assert (load_settings().log_level, load_settings().log_format) == (level, "json")


def test_a_level_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(ConfigError, match="LOG_LEVEL"):
        load_settings()


@pytest.mark.parametrize("process", ["updater", "inference", "inference.http.tcp_proxy", "worker"])
def test_every_process_says_what_is_wrong_with_its_environment_with_exit_code_two(process: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"worker": [{"topicId": 1}]}')
    (tmp_path / ".env").write_bytes("MODEL_STORE=/größe\n".encode("latin-1"))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", process]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "error: .env is not UTF-8 text" in done.stderr


def test_overrides_are_understood_as_the_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from node.config import parse_config  # noqa: PLC0415

    config = parse_config('{"worker": [{"topicId": 1}]}', overrides={"Wallet": {"gasPrices": "10uallo", "addressKeyName": "k"}})
    assert isinstance(config, Config)
    assert config.wallet.gas_prices == 10
