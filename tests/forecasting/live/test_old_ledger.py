"""A ledger that a build from before the network's unit was known has written: read, told in that unit, and scored as it was."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from forecasting.live.ledger import COLUMNS, EDGES, Ledger
from forecasting.live.live_scores import live_scores, submitted_scores
from node.database import open_database
from node.durations import Duration
from node.topics import Target, Task, Topic
from tests.support.paths import ROOT

LEFT = ROOT / "tests/data" / "ledgers" / "1"
TOLD = json.loads((LEFT / "told.json").read_text())
"""What that build said of its own ledger."""

TASKS = {
    3: Task("BTC", Target.PRICE, Duration.parse("10m")),
    82: Task("SOL", Target.VOLATILITY, Duration.parse("15m")),
    84: Task("ETH", Target.LOG_RETURN, Duration.parse("8h")),
}
IN_UNITS = ("value", "truth", "baseline", *EDGES)
LEVELS_OF_LOSS = ("loss", "baseline_loss")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    shutil.copy(LEFT / "node.db", tmp_path / "node.db")
    return Ledger(open_database(f"sqlite:///{tmp_path}/node.db"))


@pytest.mark.parametrize("topic_id", TASKS)
def test_every_answer_is_told_in_the_networks_unit_to_the_last_digit(ledger: Ledger, topic_id: int) -> None:
    factor = math.sqrt(15) if topic_id == 82 else 1.0
    found = ledger.answers(topic_id, since_ms=0)
    assert tuple(found.columns) == COLUMNS
    before = TOLD["answers"][str(topic_id)]
    assert len(found) == len(before) > 0
    for row, was in zip(found.to_dict("records"), before, strict=True):
        assert row["value"] == was["value"] * factor
        for name in IN_UNITS:
            unknown = was[name] is None
            assert math.isnan(row[name]) if unknown else row[name] == pytest.approx(was[name] * factor, rel=1e-14)
        assert (row["made_from"], row["version"], row["last_price"]) == (was["made_from"], was["version"], was["last_price"])


@pytest.mark.parametrize("topic_id", [3, 82])
def test_scores_are_what_they_were_and_a_volatilitys_losses_in_the_networks_unit(ledger: Ledger, topic_id: int) -> None:
    topic = Topic(topic_id, TASKS[topic_id], "birnn", "mse", None, "")
    found, was = live_scores(ledger, topic, since_ms=0)[0].to_dict(), TOLD["scores"][str(topic_id)]
    # The square of √15 for squared errors; ratios have no unit.
    for name in LEVELS_OF_LOSS:
        assert found[name] == pytest.approx(was[name] * (15 if topic_id == 82 else 1), rel=1e-12)
    for name in ("n", "n_effective", "skill", "ratio", "dm", "coverage_90", "log_ratio"):
        assert found[name] == pytest.approx(was[name], rel=1e-9)


def test_new_answers_and_submissions_find_their_place_beside_the_old(ledger: Ledger) -> None:
    topic = Topic(3, TASKS[3], "birnn", "mse", None, "")
    assert submitted_scores(ledger, topic, since_ms=0) == []
    assert ledger.submissions.of_topic(3, TASKS[3], since_ms=0).empty
    last = ledger.answers(3, since_ms=0)["made_from"].max()
    assert ledger.prune(int(last)) > 0
    assert len(ledger.answers(3, since_ms=0)) == 1
