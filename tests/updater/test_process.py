"""The updater as a process, against a real HTTP exchange: killed at any moment, it goes on from what is on disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

import updater.__main__
from market.candle_store import CandleStore
from market.sources import Sources
from model_store.store import ModelStore
from node.clock import ManualClock, SystemClock
from node.config import ConfigFile, load_config
from node.database import Heartbeats, open_database
from node.database_file import MAX_JOURNAL_BYTES
from node.durations import Interval
from node.environment import Settings
from node.errors import ConfigError, NodeError
from node.health import StatusServer
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.updater_stand_ins import MemoryExchange
from updater.candle_sync import CandleKeeper
from updater.progress import UNCHANGED_MS, ProgressBoard
from updater.service import Updater


@contextmanager
def process(module: str, *arguments: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=ROOT, env=os.environ | environment, stdout=file, stderr=file
        )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def status(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def wait_for_status(port: int, wanted: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while (seen := status(port)) != wanted:
        assert time.monotonic() < deadline, f"status {seen} instead of {wanted}"
        time.sleep(0.1)


def environment_of(folder: Path, exchange_port: int) -> dict[str, str]:
    """Of an updater with one topic and two days of history, over `folder`."""
    config = folder / "config.json"
    config.write_text(json.dumps({"worker": [{"topicId": 1}], "updater": {"historyDays": 2, "maxEpochs": 1}}))
    return {
        "CONFIG_FILE": str(config),
        "DATABASE_URL": f"sqlite:///{folder}/node.db",
        "MODEL_STORE": str(folder / "models"),
        "EXCHANGE_URLS": f"http://127.0.0.1:{exchange_port}",
        "UPDATER_PORT": str(free_port()),
        "LOG_FORMAT": "console",
    }


@pytest.mark.timeout(180)
def test_killed_and_started_again_it_keeps_its_candles_and_its_champion_and_sigterm_ends_it(tmp_path: Path) -> None:
    exchange_port, log = free_port(), tmp_path / "log"
    environment = environment_of(tmp_path, exchange_port)
    port = int(environment["UPDATER_PORT"])
    store = CandleStore(open_database(environment["DATABASE_URL"]))
    models = ModelStore(tmp_path / "models", SystemClock())
    task = load_config(tmp_path / "config.json").topics("http://localhost")[0].task
    with process("simulator.exchange", "--port", str(exchange_port), "--days", "4", log=log):
        with process("updater", log=log, **environment) as first:
            wait_for_status(port, 503)
            while store.newest("ETHUSDT", Interval.MINUTE) is None:
                time.sleep(0.05)
            first.kill()
        with process("updater", log=log, **environment) as second:
            wait_for_status(port, 200)
            champion = models.champion(task).name
            second.kill()
        with process("updater", log=log, **environment) as third:
            wait_for_status(port, 200)
            assert models.champion(task).name == champion
            assert store.gaps("ETHUSDT", Interval.MINUTE, *_last_day(store)) == []
            third.send_signal(signal.SIGTERM)
            assert third.wait(5) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.timeout(120)
def test_stopped_for_a_while_it_goes_on_where_it_was(tmp_path: Path) -> None:
    exchange_port, log = free_port(), tmp_path / "log"
    environment = environment_of(tmp_path, exchange_port)
    engine = open_database(environment["DATABASE_URL"])
    store, beats = CandleStore(engine), Heartbeats(engine)

    def beat_ms() -> int:
        beat = beats.last("updater")
        return beat.at_ms if beat else 0

    def wait_for(what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not what():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    with (
        process("simulator.exchange", "--port", str(exchange_port), "--days", "4", log=log),
        process("updater", log=log, **environment) as updater,
    ):
        wait_for(lambda: store.newest("ETHUSDT", Interval.MINUTE) is not None)
        updater.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        before = beat_ms()
        time.sleep(3)
        assert beat_ms() == before
        updater.send_signal(signal.SIGCONT)
        wait_for(lambda: beat_ms() > before)
        wait_for(lambda: store.gaps("ETHUSDT", Interval.MINUTE, *_last_day(store)) == [])
        updater.send_signal(signal.SIGTERM)
        assert updater.wait(10) == 0
    assert "Traceback" not in log.read_text()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of an updater over `tmp_path` whose exchange answers nothing; it leaves the signals to the tests."""
    monkeypatch.setattr(updater.__main__, "stop_on_signals", threading.Event)
    (tmp_path / "config.json").write_text(json.dumps({"worker": [{"topicId": 1}]}))
    return Settings(
        database_url=f"sqlite:///{tmp_path}/node.db",
        model_store=tmp_path / "models",
        exchange_urls="http://127.0.0.1:9",
        updater_port=free_port(),
    )


def test_a_second_updater_by_mistake_ends_at_once(settings: Settings, tmp_path: Path) -> None:
    first = StatusServer(settings.status_host, settings.updater_port, list, CollectorRegistry())
    first.start()
    try:
        with pytest.raises(ConfigError, match="cannot listen") as caught:
            updater.__main__.run(settings, ConfigFile(tmp_path / "config.json"))
        assert caught.value.hint.startswith("Is the node running already?")
    finally:
        first.stop()


def test_a_file_that_is_no_database_is_said_plainly(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "node.db").write_bytes(bytes(range(256)) * 64)
    with pytest.raises(NodeError, match="file is not a database") as caught:
        updater.__main__.run(settings, ConfigFile(tmp_path / "config.json"))
    assert "\n" not in caught.value.message
    assert "moved aside" in caught.value.hint


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_updater_with_a_loop_that_has_ended_ends_so_that_it_is_started_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise GeneratorExit

    monkeypatch.setattr(CandleKeeper, "backfill", die)
    with capture_logs() as logs:
        assert updater.__main__.run(settings, ConfigFile(tmp_path / "config.json")) == 1
    said = [entry for entry in logs if entry["event"] == "a loop has ended, so the updater ends to be started again"]
    assert [entry["loop"] for entry in said] == ["backfill"]


def test_a_journal_that_somebody_keeps_from_being_emptied_is_said(settings: Settings, tmp_path: Path) -> None:
    held = MemoryExchange(SystemClock(), 0)
    service = Updater(settings, ConfigFile(tmp_path / "config.json"), Sources([held], SystemClock()), SystemClock())
    with capture_logs() as logs:
        service._look_after_safely()
        with (tmp_path / "node.db-wal").open("r+b") as journal:
            journal.truncate(2 * MAX_JOURNAL_BYTES + 1)
        service._look_after_safely()
    service.close()
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == [
        "the journal of the database cannot be emptied"
    ]


def test_the_same_is_said_seldom_in_the_heartbeat_and_news_at_once(tmp_path: Path) -> None:
    clock, written = ManualClock(), []
    heartbeats = SimpleNamespace(beat=lambda _, at_ms, body: written.append((at_ms, body["state"])))
    current = ProgressBoard(heartbeats, clock)  # type: ignore[arg-type]
    begun = clock.now_ms()
    for state in ("running",) * 6 + ("stopped",):
        current.beat(state)
        clock.advance(2)
    assert written == [(begun, "running"), (begun + UNCHANGED_MS, "running"), (begun + 12_000, "stopped")]


def test_a_reader_of_the_log_that_goes_away_ends_no_loop(settings: Settings, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    environment = {
        "CONFIG_FILE": str(tmp_path / "config.json"),
        "DATABASE_URL": settings.database_url,
        "MODEL_STORE": str(settings.model_store),
        "EXCHANGE_URLS": "http://127.0.0.1:9",
        "UPDATER_PORT": str(settings.updater_port),
    }
    with subprocess.Popen([sys.executable, "-m", "updater"], cwd=ROOT, env=os.environ | environment, stderr=writing) as process:
        os.close(reading)
        os.close(writing)
        try:
            wait_for_status(settings.updater_port, 503)
            # What cannot be had is said again and again, by every loop.
            while 'market_errors_total{code="exchange_unreachable"} 4' not in read(settings.updater_port, "/metrics"):
                assert process.poll() is None
                time.sleep(0.1)
            checks = json.loads(read(settings.updater_port, "/health/ready"))["checks"]
            assert {check["name"] for check in checks if check["ok"]} >= {"loop follow", "loop backfill", "loop train", "loop tidy"}
            assert json.loads(read(settings.updater_port, "/health/live")) == {"status": "live"}
        finally:
            process.terminate()
        assert process.wait(20) == 0


def read(port: int, path: str) -> str:
    """What a status port says, whatever the status."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read().decode())


def _last_day(store: CandleStore) -> tuple[int, int]:
    newest = store.newest("ETHUSDT", Interval.MINUTE) or 0
    return newest - 1439 * Interval.MINUTE.ms, newest
