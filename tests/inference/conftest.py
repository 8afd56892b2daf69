"""A node without updater: real candles in a real database, real models in a real store, and a clock the test moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient

from forecasting.live.ledger import Ledger
from inference.answers.ledger_writer import LedgerWriter
from inference.answers.score_board import ScoreBoard
from inference.answers.snapshot import CurrentSnapshot, TopicState
from inference.answers.watcher import MarketData, Watcher
from inference.application import create_app
from inference.metrics import InferenceMetrics
from market.candle_store import CandleStore
from market.candles import COLUMNS
from model_store.store import ModelStore
from node.clock import ManualClock
from node.config import ConfigFile
from node.database import Heartbeats, open_database
from node.durations import Duration, Interval
from node.topics import Target, Task
from tests.support.tiny_models import tiny_graph, tiny_metadata, tiny_signature

START_MS = 1_750_003_200_000
"""A full hour, so that every interval begins a candle there."""

BTC_10M = Task("BTC", Target.PRICE, Duration.parse("10m"))
BTC_24H = Task("BTC", Target.PRICE, Duration.parse("24h"))
ETH_8H = Task("ETH", Target.LOG_RETURN, Duration.parse("8h"))
SOL_15M = Task("SOL", Target.VOLATILITY, Duration.parse("15m"))
TOPICS = {3: BTC_10M, 69: BTC_24H, 83: Task("BTC", Target.LOG_RETURN, Duration.parse("8h")), 84: ETH_8H, 82: SOL_15M}
LAST_CLOSE = 64_000.5
INTERVALS = {"50": (-0.5, 0.75), "80": (-1.0, 1.5), "90": (-2.0, 2.5)}


def candles_until(now_ms: int, interval: Interval, count: int = 60, last_close: float = LAST_CLOSE) -> pd.DataFrame:
    """`count` closed candles, the newest of which closed last before `now_ms`."""
    newest = interval.last_closed(now_ms)
    open_time = np.arange(newest - (count - 1) * interval.ms, newest + interval.ms, interval.ms, dtype=np.int64)
    close = last_close * np.exp(np.random.default_rng(0).normal(0, 1e-3, count).cumsum())
    close *= last_close / close[-1]
    frame = pd.DataFrame({"open_time": open_time, "open": close, "high": close * 1.001, "low": close * 0.999, "close": close})
    return frame.assign(volume=1.0, quote_volume=np.nan, trades=np.nan, taker_base=np.nan, taker_quote=np.nan)[list(COLUMNS)]


def signature_of(task: Task) -> dict[str, Any]:
    """Reads few bars, so that tests need few."""
    return tiny_signature(task, features=("day_sine", "day_cosine")) | {"scale_span": 5}


class Node:
    """What surrounds inference, in a temporary folder."""

    def __init__(self, folder: Path, topics: list[int], now_ms: int = START_MS + 20_000) -> None:
        self.folder = folder
        self.clock = ManualClock(now_ms)
        self.config_path = folder / "config.json"
        self.database_url = f"sqlite:///{folder}/node.db"
        self.write_config(topics)
        self.engine = open_database(self.database_url)
        self.candles = CandleStore(self.engine)
        self.heartbeats = Heartbeats(self.engine)
        self.ledger = Ledger(self.engine)
        self.models = ModelStore(folder / "checkpoints", self.clock)
        self.current = CurrentSnapshot()
        self.metrics = InferenceMetrics()
        self.scores = ScoreBoard()
        self.ledger_writer = self.another_ledger_writer()
        self.watcher = self.another_watcher()
        app = create_app(
            current=self.current,
            store=self.models,
            clock=self.clock,
            metrics=self.metrics,
            ended=lambda: "" if self.watcher.alive else "watcher",
            hung_for_ms=self.watcher.hung_for_ms,
            market_data=lambda: self.watcher.data,
            score_board=self.scores,
            on_taken=self.ledger_writer.queue_taken,
            on_accepted=self.ledger_writer.queue_accepted,
        )
        self.client: FlaskClient = app.test_client()

    def another_watcher(self) -> Watcher:
        """The watcher of a process that has just been started over the same disk."""
        return Watcher(
            config=ConfigFile(self.config_path),
            inference_url="http://localhost",
            open_data=lambda: MarketData(self.candles, self.heartbeats, self.ledger),
            models=self.models,
            current=self.current,
            clock=self.clock,
            metrics=self.metrics,
            on_snapshot=self._queue_answers,
        )

    def another_ledger_writer(self) -> LedgerWriter:
        """The ledger's writer of a process that has just been started over the same disk."""
        return LedgerWriter(
            open_ledger=lambda: Ledger(self.engine),
            current=self.current,
            scores=self.scores,
            clock=self.clock,
            metrics=self.metrics,
        )

    def _queue_answers(self, states: tuple[TopicState, ...]) -> None:
        self.ledger_writer.queue_answers(states)

    def write_config(self, topics: list[int], **more: Any) -> None:
        content = {"network": "testnet", "worker": [{"topicId": number} for number in topics]} | more
        aside = self.config_path.with_suffix(".new")
        aside.write_text(json.dumps(content))
        aside.replace(self.config_path)

    def environment(self, port: int) -> dict[str, str]:
        """Of an inference process over this node's disk."""
        return {
            "CONFIG_FILE": str(self.config_path),
            "DATABASE_URL": self.database_url,
            "MODEL_STORE": str(self.models.root),
            "INFERENCE_PORT": str(port),
        }

    def store_candles(self, task: Task, last_close: float = LAST_CLOSE) -> None:
        """Everything `task` needs, up to now."""
        for interval in {task.interval, Interval.MINUTE}:
            self.candles.upsert(task.symbol, interval, candles_until(self.clock.now_ms(), interval, last_close=last_close))

    def promote(self, task: Task, answer: float, **changes: Any) -> str:
        """Publish a model that answers `baseline + scale × answer`, and make it champion."""
        metadata = tiny_metadata(task, answer, signature=signature_of(task), **changes)
        version = self.models.publish(task, graph=tiny_graph(answer), weights=b"w", metadata=metadata).version
        self.models.promote(task, version, "better")
        return version

    def fill(self, *tasks: Task, answer: float = 0.0, **changes: Any) -> None:
        """Candles and a champion for each of `tasks`, noticed by the watcher."""
        for task in tasks:
            self.store_candles(task)
            self.promote(task, answer, **changes)
        self.watcher.poll()

    def get(self, path: str) -> tuple[int, str]:
        response = self.client.get(path)
        return response.status_code, response.get_data(as_text=True)


def json_of(node: Node, path: str, status: int = 200) -> Any:
    """What a route gives as JSON; AssertionError if its status is another."""
    response = node.client.get(path)
    assert response.status_code == status
    assert response.content_type == "application/json"
    return json.loads(response.data)


def error_of(body: str) -> dict[str, Any]:
    """The error in an answer of the one form."""
    content = json.loads(body)
    assert content.keys() == {"error"}
    assert content["error"].keys() == {"code", "message", "hint"}
    error: dict[str, Any] = content["error"]
    return error


def refused(node: Node, path: str) -> dict[str, Any]:
    """The error of a route that is not ready; AssertionError if it is."""
    response = node.client.get(path)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    error = error_of(response.get_data(as_text=True))
    assert error["code"] == "not_ready"
    return error


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Topics 3 (BTC price 10m), 69 (BTC price 24h), 84 (ETH log-return 8h) and 82 (SOL volatility 15m), without any data."""
    node = Node(tmp_path, [3, 69, 84, 82])
    yield node
    node.watcher.stop()
    node.engine.dispose()
