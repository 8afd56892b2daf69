"""`allora-node sweep` as an operator uses it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.cli.test_command import allora_node
from tests.support.forecasting_candles import make_candles
from tests.support.recorded import write_candles


def test_the_command_keeps_the_table_of_trials(tmp_path: Path) -> None:
    as_json, as_csv = tmp_path / "trials.json", tmp_path / "trials.csv"
    record = write_candles(tmp_path / "record", "BTCUSDT", "1m", make_candles(3_500)).parent
    done = allora_node(
        "sweep", "--candles", str(record), "--token", "BTC", "--target", "volatility", "--horizon", "5m", "--model", "har",
        "--until", "2025-06-18", "--trials", "2", "--jobs", "1", "--max-epochs", "1", "--json", str(as_json), "--csv", str(as_csv),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "[2/2]" in done.stderr
    rows = json.loads(as_json.read_text())
    assert [row["trial"] for row in rows] == [0, 1]
    with as_csv.open() as file:
        assert [row["trial"] for row in csv.DictReader(file)] == ["0", "1"]
    assert "BTC/volatility-5m" in done.stdout
    assert "usual settings" in done.stdout
