"""What every process shares: settings, errors, logs, database, health."""

from __future__ import annotations

import json
import logging
import pickle
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry, Counter

from node import errors
from node.clock import ManualClock
from node.database import Heartbeats, open_database
from node.environment import ARCHIVE, DEMO_FILE, Settings, load_settings
from node.errors import ConfigError, NodeError, NotReadyError
from node.health import Check, StatusServer
from node.logs import configure_logs
from node.probe import main as probe
from node.secrets import Secret
from tests.support.paths import ROOT


def test_the_env_example_lists_every_variable_with_its_default() -> None:
    text, _, _ = (ROOT / ".env.example").read_text().partition("docker compose alone")
    listed = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text, re.MULTILINE))
    defaults = {name.upper(): "" if field.default is None else str(field.default) for name, field in Settings.model_fields.items()}
    assert listed == defaults


def test_a_wrong_variable_is_named_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PORT", "http")
    monkeypatch.setenv("EXCHANGE_URLS", "ftp://somewhere")
    with pytest.raises(ConfigError, match="INFERENCE_PORT") as caught:
        load_settings()
    assert "EXCHANGE_URLS" in caught.value.message


@pytest.mark.parametrize(
    ("variables", "base"),
    [
        ({}, ARCHIVE),
        ({"EXCHANGE_URLS": "https://api.binance.us/,https://data-api.binance.vision"}, ARCHIVE),
        ({"EXCHANGE_URLS": "http://127.0.0.1:9100"}, None),
        ({"EXCHANGE_URLS": "https://api.binance.com,https://binance.vision.example"}, None),
        ({"EXCHANGE_URLS": "http://127.0.0.1:9100", "ARCHIVE_URL": "http://127.0.0.1:9100"}, "http://127.0.0.1:9100"),
        ({"ARCHIVE_URL": "none"}, None),
    ],
)
def test_binances_archive_belongs_to_binance_alone(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], base: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load_settings().archive_base == base


@pytest.mark.parametrize("name", ["ARCHIVE_URL", "KRAKEN_URL", "COINGECKO_URL"])
def test_the_address_of_a_source_is_a_url(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "data.binance.vision")
    with pytest.raises(ConfigError, match=name):
        load_settings()


def test_simulators_beside_the_node_say_how_they_are_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("EXCHANGE_URLS=https://real\nMODEL_STORE=/models\n")
    assert load_settings().exchange_bases == ("https://real",)
    (tmp_path / "demo").mkdir()
    (tmp_path / DEMO_FILE).write_text(
        "EXCHANGE_URLS='http://exchange:9100'\nCONFIG_OVERRIDES='{\"wallet\": {\"submitTx\": true}}'\n"
    )
    settings = load_settings()
    assert (settings.exchange_bases, settings.model_store) == (("http://exchange:9100",), Path("/models"))
    assert settings.config_overrides == {"wallet": {"submitTx": True}}


def test_overrides_that_are_no_json_are_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIG_OVERRIDES", "submitTx=true")
    with pytest.raises(ConfigError, match="config_overrides"):
        load_settings()


def test_onnx_runtime_reports_to_nobody() -> None:
    code = "import os, forecasting.prediction.forecast; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "1\n"


def test_an_api_key_comes_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLORA_API_KEY", "from the environment")
    assert load_settings().api_key == Secret("from the environment")
    file = tmp_path / "key"
    monkeypatch.setenv("ALLORA_API_KEY_FILE", str(file))
    with pytest.raises(ConfigError, match="cannot be read"):
        _ = load_settings().api_key
    file.write_text("UP-123\n")
    assert load_settings().api_key == Secret("UP-123")


def test_a_secret_in_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLORA_API_KEY", "very-secret-key")
    assert "very-secret-key" not in repr(load_settings())


def test_the_drawn_error_tree_is_the_real_one() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    real = {name for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, NodeError)}
    assert drawn == real - {"NodeError"}


def test_an_error_keeps_its_hint_when_it_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(NotReadyError("no model yet", retry_after=7, hint="wait")))
    assert (error.message, error.hint, error.retry_after) == ("no model yet", "wait", 7)


def test_json_logs_are_one_object_a_line_with_the_process_and_the_hint(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("updater", "info", "json")
    structlog.get_logger("test").warning("refused", topic=1, error=ConfigError("bad", hint="mend it"))
    logging.getLogger("library").warning("from a library")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["refused", "from a library"]
    assert lines[0] | {"process": "updater", "error": "bad", "hint": "mend it", "topic": 1, "level": "warning"} == lines[0]


def test_the_last_heartbeat_of_a_process_is_kept_and_many_may_open_the_database_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/node.db"

    def beat(number: int) -> None:
        Heartbeats(open_database(url)).beat("updater", number, {"number": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(beat, range(16)))
    beats = Heartbeats(open_database(url))
    beats.beat("updater", 99, {"state": "well"})
    last = beats.last("updater")
    assert last is not None
    assert (last.at_ms, last.body) == (99, {"state": "well"})
    assert beats.last("nobody") is None


def test_an_unusable_database_url_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        open_database("not a url")


def test_the_status_server_shows_health_and_metrics_and_nothing_else() -> None:
    registry = CollectorRegistry()
    Counter("seen", "Things seen.", registry=registry).inc()
    checks = [Check("exchange", True), Check("models", False, "topic 1 has none", "wait")]
    server = StatusServer("127.0.0.1", 0, lambda: checks, registry)
    server.start()
    base = f"http://127.0.0.1:{server.port}"
    try:
        assert probe(str(server.port)) == 0
        assert b"seen_total 1.0" in urllib.request.urlopen(f"{base}/metrics").read()
        with pytest.raises(urllib.error.HTTPError) as not_ready:
            urllib.request.urlopen(f"{base}/health/ready")
        assert not_ready.value.code == 503
        body = json.load(not_ready.value)
        assert [check["name"] for check in body["checks"] if not check["ok"]] == ["models"]
        with pytest.raises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(f"{base}/etc/passwd")
        assert missing.value.code == 404
        missing.value.close()
        not_ready.value.close()
    finally:
        server.stop()
    assert probe(str(server.port)) == 1
    assert probe("nonsense") == 1


@pytest.mark.parametrize("process", ["updater", "inference", "worker"])
def test_a_wrong_config_ends_every_process_at_once_with_exit_code_two(process: str, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"worker": [{"topicId": 1}], "walet": {}}')
    environment = {"PATH": "/usr/bin:/bin", "CONFIG_FILE": str(config), "DATABASE_URL": f"sqlite:///{tmp_path}/node.db"}
    done = subprocess.run(
        [sys.executable, "-m", process], check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "walet: unknown key; did you mean 'wallet'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_manual_clock_moves_only_when_told_to() -> None:
    clock, stop = ManualClock(1000), threading.Event()
    clock.advance(2)
    assert clock.wait(3, stop) is False
    assert clock.now_ms() == 6000
    stop.set()
    assert clock.wait(3, stop) is True
    assert clock.now_ms() == 6000
