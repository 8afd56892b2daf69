"""The updater as a process, against a real HTTP exchange: killed at any moment, it goes on from what is on disk."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from market.candle_store import CandleStore
from model_store.store import ModelStore
from node.clock import SystemClock
from node.config import load_config
from node.database import open_database
from node.durations import Interval

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


@pytest.mark.timeout(180)
def test_killed_and_started_again_it_keeps_its_candles_and_its_champion_and_sigterm_ends_it(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"worker": [{"topicId": 1}], "updater": {"historyDays": 2, "maxEpochs": 1}}))
    exchange_port, port, log = free_port(), free_port(), tmp_path / "log"
    environment = {
        "CONFIG_FILE": str(config),
        "DATABASE_URL": f"sqlite:///{tmp_path}/node.db",
        "MODEL_STORE": str(tmp_path / "models"),
        "EXCHANGE_URLS": f"http://127.0.0.1:{exchange_port}",
        "UPDATER_PORT": str(port),
        "LOG_FORMAT": "console",
    }
    store = CandleStore(open_database(environment["DATABASE_URL"]))
    models = ModelStore(tmp_path / "models", SystemClock())
    cell = load_config(config).topics("http://localhost")[0].cell
    with process("simulator.exchange", "--port", str(exchange_port), "--days", "4", log=log):
        with process("updater", log=log, **environment) as first:
            wait_for_status(port, 503)
            while store.newest("ETHUSDT", Interval.MINUTE) is None:
                time.sleep(0.05)
            first.kill()
        with process("updater", log=log, **environment) as second:
            wait_for_status(port, 200)
            champion = models.champion(cell).name
            second.kill()
        with process("updater", log=log, **environment) as third:
            wait_for_status(port, 200)
            assert models.champion(cell).name == champion
            assert store.holes("ETHUSDT", Interval.MINUTE, *_last_day(store)) == []
            third.send_signal(signal.SIGTERM)
            assert third.wait(5) == 0
    assert "Traceback" not in log.read_text()


def _last_day(store: CandleStore) -> tuple[int, int]:
    newest = store.newest("ETHUSDT", Interval.MINUTE) or 0
    return newest - 1439 * Interval.MINUTE.ms, newest
