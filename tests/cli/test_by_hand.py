"""fetch, train, predict, scores and export: the node's work done by hand, over a real exchange, database and model store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting.live.ledger import Ledger, ServedAnswer
from market.candle_store import CandleStore
from model_store.store import ModelStore
from node.clock import SystemClock
from node.database import Heartbeats, open_database
from node.durations import HOUR_MS, MINUTE_MS, Interval
from simulator.exchange.synthetic import SyntheticMarket
from tests.cli.test_command import allora_node
from tests.support.exchange_server import running_exchange
from tests.support.ports import free_port
from tests.support.tiny_models import BTC, tiny_graph, tiny_metadata


class Folder:
    """A database filled by `allora-node fetch`, and commands that run over it."""

    def __init__(self, folder: Path, exchange: str) -> None:
        self.folder = folder
        (folder / "config.json").write_text(json.dumps({"worker": [{"topicId": 3}], "updater": {"historyDays": 2, "maxEpochs": 1}}))
        self.environment = {
            "CONFIG_FILE": str(folder / "config.json"),
            "DATABASE_URL": f"sqlite:///{folder}/node.db",
            "MODEL_STORE": str(folder / "models"),
            "EXCHANGE_URLS": exchange,
        }
        self.engine = open_database(self.environment["DATABASE_URL"])
        self.models = ModelStore(folder / "models", SystemClock())

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        done = allora_node(*arguments, **self.environment)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    def json(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run(*arguments, "--json", code=code)[0])
        return found


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with running_exchange(SyntheticMarket(seed=1, days=4), SystemClock()) as url:
        yield url


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, exchange: str) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("node"), exchange)
    rows = folder.json("fetch")
    assert [(row["symbol"], row["interval"], row["have"], row["want"], row["holes"]) for row in rows] == [
        ("BTCUSDT", "1m", 2880, 2880, 0)
    ]
    return folder


def test_fetch_again_asks_for_what_is_new_alone_and_says_how_much_there_is(filled: Folder) -> None:
    said, progress = filled.run("fetch", "--days", "1")
    assert "BTCUSDT" in said
    assert "BTCUSDT 1m: 1440 of 1440" in progress
    assert "\x1b" not in said + progress


def test_fetch_without_an_exchange_is_one_message_with_a_hint(tmp_path: Path) -> None:
    _, said = Folder(tmp_path, f"http://127.0.0.1:{free_port()}").run("fetch", code=1)
    assert "no connection" in said
    assert "hint:" in said


@pytest.mark.timeout(180)
def test_train_holds_the_updaters_contest_and_predict_answers_with_its_champion(filled: Folder) -> None:
    before = filled.json("predict", code=1)
    assert (before[0]["ready"], "no model" in before[0]["reason"]) == (False, True)
    trained = filled.json("train")
    champion = filled.models.champion(BTC)
    assert [(row["version"], row["promoted"]) for row in trained] == [(champion.name, True)]
    assert trained[0]["reason"] == champion.manifest.gate.reason
    answer = filled.json("predict", "--topic", "3")[0]
    assert (answer["ready"], answer["champion"]) == (True, champion.name)
    assert 1_000 < float(answer["answer"]) < 1_000_000


def test_train_refuses_what_a_running_updater_is_training_and_says_why_one_failed(tmp_path: Path, exchange: str) -> None:
    folder = Folder(tmp_path, exchange)
    body = {"state": "running", "topics": {"3": {"state": "training"}}}
    Heartbeats(folder.engine).beat("updater", SystemClock().now_ms(), body)
    assert "just now" in folder.run("train", code=1)[1]
    Heartbeats(folder.engine).beat("updater", SystemClock().now_ms() - HOUR_MS, body)
    CandleStore(folder.engine)
    row = folder.json("train", code=1)[0]
    assert (row["version"], bool(row["reason"])) == (None, True)


def test_raw_clean_and_features_are_exported_in_both_forms(filled: Folder, tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/node.db")
    store, now_ms = CandleStore(engine), SystemClock().now_ms()
    candles = CandleStore(filled.engine).window("BTCUSDT", Interval.MINUTE, now_ms - 600 * MINUTE_MS, now_ms)
    store.upsert("BTCUSDT", Interval.MINUTE, candles.drop(index=[100, 101]))
    folder = Folder(tmp_path, "http://127.0.0.1:9")
    for layer in ("raw", "clean", "features"):
        for ending, read in (("parquet", pd.read_parquet), ("csv", pd.read_csv)):
            folder.run("export", layer, str(tmp_path / f"{layer}.{ending}"), "--topic", "3")
            frame = read(tmp_path / f"{layer}.{ending}")
            assert len(frame) == len(candles) - (0 if layer == "clean" else 2)
            if layer == "raw":
                np.testing.assert_array_equal(frame["close"], candles["close"].drop([100, 101]))
            if layer == "clean":
                assert frame.index[frame["missing"]].tolist() == [100, 101]
                assert frame["close"].isna().sum() == 2
    _, said = folder.run("export", "raw", str(tmp_path / "raw.csv"), "--topic", "3", code=2)
    assert "--force" in said
    _, said = folder.run("export", "raw", str(tmp_path / "raw.xlsx"), "--topic", "3", code=2)
    assert ".parquet" in said


def test_answers_are_exported_and_scored_version_by_version(filled: Folder, tmp_path: Path) -> None:
    folder = Folder(tmp_path, "http://127.0.0.1:9")
    store, now_ms = CandleStore(folder.engine), SystemClock().now_ms()
    candles = CandleStore(filled.engine).window("BTCUSDT", Interval.MINUTE, now_ms - 300 * MINUTE_MS, now_ms)
    store.upsert("BTCUSDT", Interval.MINUTE, candles)
    answers = [
        ServedAnswer(
            topic_id=3, task=BTC, made_from=int(row.open_time), version="20261101T000000Z-aaaaaa", value=row.close,
            last_price=row.close, forecast=0.0, baseline=0.0, scale=0.001,
        )
        for row in candles.itertuples()
    ]  # fmt: skip
    Ledger(folder.engine).record(answers)
    whole, version = folder.json("scores", "--over", "24h")
    assert (whole["version"], version["version"]) == (None, "20261101T000000Z-aaaaaa")
    assert (whole["answers"], whole["n"], whole["ratio"]) == (len(candles), len(candles) - 10, 1.0)
    assert "all" in folder.run("scores")[0]
    folder.run("export", "answers", str(tmp_path / "answers.parquet"), "--topic", "3")
    exported = pd.read_parquet(tmp_path / "answers.parquet")
    assert (len(exported), exported["truth"].isna().sum()) == (len(candles), 10)


def test_models_of_a_config_with_overrides_are_those_of_the_processes(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "http://127.0.0.1:9")
    version = folder.models.publish(BTC, graph=tiny_graph(0.1), weights=b"w", metadata=tiny_metadata(BTC, 0.1)).version
    folder.environment["CONFIG_OVERRIDES"] = json.dumps({"worker": [{"topicId": 3}, {"topicId": 14}]})
    folder.run("models", "promote", "3", version)
    assert "14" in folder.run("models", "show", "999", code=2)[1]
