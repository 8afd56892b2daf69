"""`allora-node grade` as an operator uses it: a file in three forms, a topic of the node, and what cannot be graded."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from forecasting.live.ledger import Ledger, ServedAnswer
from forecasting.live.submissions import TakenAnswer
from market.candle_store import CandleStore
from node.clock import SystemClock
from node.database import open_database
from node.durations import MINUTE_MS, Duration, Interval
from node.topics import Target, Task
from node.truth import TopicInterval
from tests.cli.test_command import allora_node
from tests.forecasting.evaluation.test_direction import ACTUAL, FORECAST
from tests.support.forecasting_candles import make_candles

TASK = Task("BTC", Target.PRICE, Duration.parse("10m"))
FRAME = pd.DataFrame({"actual": ACTUAL, "forecast": FORECAST})


def graded(*arguments: str, **environment: str) -> dict[str, Any]:
    done = allora_node("grade", *arguments, "--json", **environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_same_forecasts_get_the_same_grades_in_every_form(tmp_path: Path) -> None:
    FRAME.assign(baseline=0.001, actual=ACTUAL + 0.001, forecast=FORECAST + 0.001).to_csv(tmp_path / "a.csv", index=False)
    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(FRAME), tmp_path / "b.parquet")
    (tmp_path / "rows.json").write_text(json.dumps(FRAME.to_dict("records")))
    (tmp_path / "columns.json").write_text(json.dumps(FRAME.to_dict("list")))
    for name in ("b.parquet", "rows.json", "columns.json"):
        found = graded(str(tmp_path / name))
        assert (found["checks"]["grade"], found["checks"]["passed"]) == ("B", 4)
        assert (found["promotion"]["grade"], found["promotion"]["eligible"]) == ("A", False)
        assert (found["basis"], found["n"], found["n_apart"], found["participation"]) == ("rows", 80, 80, None)
    # Adding and taking away a baseline costs the last digit, and with it what is exactly 0.
    assert graded(str(tmp_path / "a.csv"))["checks"]["checks"][3]["figure"] == pytest.approx(0.6351712447782866, rel=1e-6)


def test_steps_horizon_and_missing_rows_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    FRAME.to_csv(path, index=False)
    found = graded(str(path), "--steps", "4", "--horizon", "1h", "--expected", "100")
    assert (found["n"], found["n_apart"], found["participation"]) == (80, 20, 0.8)
    effective, *_, participation = found["promotion"]["checks"]
    assert (effective["figure"], effective["passed"]) == (79 / 4, False)
    assert (participation["figure"], participation["passed"]) == (0.8, False)
    shown = allora_node("grade", str(path), "--steps", "4").stdout
    assert "20 of 80 rows, a horizon apart" in " ".join(shown.split())
    assert "participation assumed" in " ".join(shown.split())
    assert "≥ 0.52" in shown
    assert "interval overlaps ±0.5" in shown


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("time,forecast\n1,0.1\n", 2, "has no column actual"),
        ("actual,forecast\n0.1,up\n", 2, "the column forecast holds what is no number"),
        ("", 2, "cannot be read"),
        ("actual,forecast\n0.1,0.1\n0.2,0.1\n", 1, "too few to grade"),
        (
            "actual,forecast\n0.1,0.1\n0.2,\n0.3,inf\n",
            1,
            "2 of 3 rows have a number that is not finite, the first in row 2",
        ),
    ],
)
def test_what_cannot_be_graded_is_one_message(tmp_path: Path, text: str, code: int, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    done = allora_node("grade", str(path), "--json")
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_to_grade_must_be_clear(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    FRAME.to_csv(path, index=False)
    other = tmp_path / "a.xlsx"
    other.write_text("")
    for arguments in (
        (),
        (str(path), "--topic", "3"),
        (str(path), "--over", "7d"),
        ("--topic", "3", "--steps", "2"),
        (str(other),),
        (str(path), "--expected", "79"),
    ):
        done = allora_node("grade", *arguments)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr


def test_a_topic_is_graded_by_its_submissions_and_by_all_answers_until_there_are_some(tmp_path: Path) -> None:
    """A price ten minutes ahead: each forecast is what came of it, halved, so both graders find nothing to complain about."""
    (tmp_path / "config.json").write_text(json.dumps({"worker": [{"topicId": 3}]}))
    url = f"sqlite:///{tmp_path}/node.db"
    node = {"CONFIG_FILE": str(tmp_path / "config.json"), "DATABASE_URL": url}
    nothing = allora_node("grade", "--topic", "3", **node)
    assert nothing.returncode == 1
    assert "nothing of topic 3 has been judged yet" in nothing.stderr

    start_ms = (SystemClock().now_ms() // MINUTE_MS - 700) * MINUTE_MS
    candles = make_candles(600)
    candles["open_time"] += start_ms - int(candles["open_time"].iloc[0])
    engine = open_database(url)
    CandleStore(engine).upsert("BTCUSDT", Interval.MINUTE, candles)
    ledger = Ledger(engine)
    closes = candles["close"].to_numpy()
    returns = np.log(closes[10:] / closes[:-10])
    answers = [
        ServedAnswer(3, TASK, start_ms + bar * MINUTE_MS, "a", closes[bar], closes[bar], returns[bar] / 2, 0.0, 0.002)
        for bar in range(500)
    ]
    ledger.record(answers)
    found = graded("--topic", "3", **node)
    assert (found["basis"], found["n"], found["n_apart"], found["participation"]) == ("answers", 500, 50, 1.0)
    assert (found["checks"]["grade"], found["promotion"]["eligible"]) == ("A+", True)

    # Every ten minutes a nonce, of which one in five was missed; the price at a base is the close of the minute before it.
    taken = [
        TakenAnswer(3, TopicInterval(TASK, start_ms + (bar + 1) * MINUTE_MS), start_ms, "a", value, 0.002)
        for bar in range(0, 500, 10)
        if bar % 50 != 20
        for value in [float(closes[bar] * math.exp(returns[bar] / 2))]
    ]
    ledger.submissions.record(taken)
    found = graded("--topic", "3", **node)
    assert (found["basis"], found["n"], found["n_apart"], found["participation"]) == ("submissions", 40, 40, 0.8)
    assert [check["name"] for check in found["promotion"]["checks"] if not check["passed"]] == ["participation"]
    assert graded("--topic", "3", "--over", "6h", **node)["n"] < 40
