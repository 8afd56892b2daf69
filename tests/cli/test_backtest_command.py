"""`allora-node backtest` as an operator uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forecasting.backtesting.tasks import FIELDS
from node.durations import Interval
from tests.cli.test_command import allora_node
from tests.support.forecasting_candles import make_candles
from tests.support.recorded import write_candles


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hours of BTC from 2025-06-16 to 2025-10-19."""
    folder = tmp_path_factory.mktemp("record")
    write_candles(folder, "BTCUSDT", "1h", make_candles(3_000, Interval.HOUR))
    return folder


def test_a_backtest_prints_a_table_and_writes_figures_and_report(tmp_path: Path, record: Path) -> None:
    figures, report = tmp_path / "figures.json", tmp_path / "report.html"
    done = allora_node(
        "backtest", "--candles", str(record), "--train-until", "2025-09-20", "--token", "BTC,DOGE", "--horizon", "8h",
        "--max-epochs", "1", "--jobs", "1", "--json", str(figures), "--report", str(report),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(figures.read_text())
    assert [list(row) for row in rows] == [list(FIELDS)] * 2
    assert [(row["token"], row["interval"], row["n"] > 0) for row in rows] == [("BTC", "1h", True), ("DOGE", "1h", False)]
    assert "BTC/price-8h" in done.stdout
    assert "there are no 1h candles of DOGE" in done.stdout
    assert "[2/2]" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "BTC/price-8h" in report.read_text()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--train-until", "yesterday", "is not a date"),
        ("--horizon", "5 minutes", "is not a span of time"),
        ("--interval", "2m", "2m"),
        ("--model", "oracle", "birnn"),
        ("--loss", "r2", "czar"),
        ("--token", "BTC/USDT", "is not a token"),
        ("--candles", "/nowhere/at/all", "does not exist"),
    ],
)
def test_an_option_that_cannot_be_read_is_a_usage_error_that_names_it(record: Path, option: str, value: str, said: str) -> None:
    done = allora_node("backtest", "--candles", str(record), option, value, COLUMNS="200")
    assert done.returncode == 2
    assert option in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_date_outside_the_record_is_one_message(record: Path) -> None:
    done = allora_node("backtest", "--candles", str(record), "--train-until", "2031-01-01")
    assert done.returncode == 1
    assert "both sides of the date" in done.stderr
    done = allora_node("backtest", "--candles", str(record), "--train-until", "2031-01-01", "--token", "BTC", "--horizon", "8h")
    assert done.returncode == 1
    assert "no candles after the date" in done.stdout
