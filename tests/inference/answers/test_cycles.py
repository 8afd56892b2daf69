"""Inference started and stopped again and again in one process."""

from __future__ import annotations

from pathlib import Path

from inference.service import InferenceService
from node.clock import SystemClock
from node.config import ConfigFile
from node.environment import Settings
from tests.inference.conftest import BTC_10M, Node
from tests.support.held import held_by_cycles


def serve_once(settings: Settings) -> None:
    """What its serving process does from start to stop, with a question of every kind in between."""
    service = InferenceService(settings, ConfigFile(settings.config_file))
    client = service.start().test_client()
    assert client.get("/inference/BTC").text == "64000.5"
    for path in ("/candles/BTC", "/topics", "/scores", "/models", "/updater", "/metrics", "/health/ready"):
        assert client.get(path).status_code == 200, path
    service.stop()


def test_inference_that_is_stopped_gives_back_every_thread_and_descriptor(tmp_path: Path) -> None:
    node = Node(tmp_path, [3], SystemClock().now_ms())
    node.write_config([3], inference={"staleAfter": "60m"})
    node.fill(BTC_10M)
    node.engine.dispose()
    settings = Settings(_env_file=None, config_file=node.config_path, database_url=node.database_url, model_store=node.models.root)
    held = held_by_cycles(serve_once, settings, cycles=20)
    assert len(set(held)) == 1, held
