"""`allora-node truth` as an operator uses it: from a record and from the node's own candles."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from market.candle_store import CandleStore
from node.database import open_database
from node.durations import MINUTE_MS, Interval
from tests.cli.test_command import allora_node
from tests.support.forecasting_candles import START_MS, make_candles
from tests.support.recorded import write_candles

CANDLES = make_candles(300).drop(index=200).reset_index(drop=True)
LOGS = {int(time) + MINUTE_MS: math.log(close) for time, close in zip(CANDLES["open_time"], CANDLES["close"], strict=True)}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("record")
    write_candles(folder, "BTCUSDT", "1m", CANDLES)
    return folder


def rows_of(*arguments: str, **environment: str) -> list[dict[str, object]]:
    done = allora_node("truth", *arguments, "--json", **environment)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


def test_the_truth_of_random_nonces_is_that_of_an_independent_computation(record: Path) -> None:
    """Every target, across a gap; and what is missing is named."""
    nonces = np.random.default_rng(0).integers(START_MS, START_MS + 290 * MINUTE_MS, 60).tolist()
    asked = [",".join(map(str, nonces)), "--token", "btc", "--horizon", "15m", "--candles", str(record)]
    for target in ("price", "log_return", "volatility"):
        rows = rows_of(*asked, "--target", target)
        assert len(rows) == len(set(nonces))
        for row in rows:
            nonce = int(str(row["nonce_time"]))
            base = nonce // MINUTE_MS * MINUTE_MS
            logs = [LOGS.get(base + minute * MINUTE_MS, math.nan) for minute in range(16)]
            deviation = float(np.std(np.diff(logs), ddof=1))
            wanted = {"price": math.exp(logs[-1]), "log_return": logs[-1] - logs[0], "volatility": deviation * math.sqrt(15)}[
                target
            ]
            assert row["base_ms"] == base
            assert math.isnan(wanted) == bool(row["missing"]) == (row["truth"] is None)
            assert math.isnan(wanted) or row["truth"] == pytest.approx(wanted, rel=1e-12, abs=1e-15)


def test_a_topic_is_looked_up_in_the_nodes_own_candles(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"worker": [{"topicId": 3}]}))
    url = f"sqlite:///{tmp_path}/node.db"
    CandleStore(open_database(url)).upsert("BTCUSDT", Interval.MINUTE, CANDLES)
    node = {"CONFIG_FILE": str(tmp_path / "config.json"), "DATABASE_URL": url}
    (row,) = rows_of("2025-06-16T00:05:59", "--topic", "3", **node)
    assert (row["base"], row["end"]) == ("2025-06-16T00:05:00Z", "2025-06-16T00:15:00Z")
    end_ms = int(str(row["end_ms"]))
    assert row["truth"] == pytest.approx(math.exp(LOGS[end_ms]))
    said = allora_node("truth", "2024-01-01", "--topic", "3", **node)
    assert "no price at 2024-01-01T00:10:00Z" in said.stdout


def test_what_is_asked_must_be_clear(record: Path) -> None:
    for options in (["--token", "BTC"], ["--topic", "3", "--token", "BTC"]):
        done = allora_node("truth", "2025-06-16", *options, "--candles", str(record))
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
