"""The updater started and stopped again and again in one process."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import updater.__main__
from node.clock import SystemClock
from node.config import ConfigFile
from node.environment import Settings
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.exchange_server import running_exchange
from tests.support.held import held_by_cycles
from tests.support.ports import free_port


def update_once(settings: Settings) -> None:
    """What `python -m updater` does until it is told to stop, which it is when it has fetched candles."""
    stop = threading.Event()
    updater.__main__.stop_on_signals = lambda: stop  # type: ignore[attr-defined]
    with ThreadPoolExecutor(1) as aside:
        stopped = aside.submit(stop_when_fetched, settings, stop)
        updater.__main__.run(settings, ConfigFile(settings.config_file))
        stopped.result()


def stop_when_fetched(settings: Settings, stop: threading.Event) -> None:
    address = f"http://{settings.status_host}:{settings.updater_port}/metrics"
    deadline = time.monotonic() + 30
    try:
        while "allora_updater_holes{" not in text_of(address):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        stop.set()


def text_of(address: str) -> str:
    """Nothing as long as nobody listens there."""
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return str(response.read().decode())
    except OSError:
        return ""


def test_an_updater_that_is_stopped_gives_back_every_thread_and_descriptor(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"worker": [{"topicId": 1}], "updater": {"historyDays": 1}}))
    with running_exchange(SyntheticMarket(seed=1, days=2), SystemClock()) as url:
        settings = Settings(
            _env_file=None,
            config_file=config,
            database_url=f"sqlite:///{tmp_path}/node.db",
            model_store=tmp_path / "models",
            exchange_urls=url,
            updater_port=free_port(),
        )
        held = held_by_cycles(update_once, settings, cycles=8)
    assert len(set(held)) == 1, held
