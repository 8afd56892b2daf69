"""A month of a node's life in about a minute, and that the same seed gives the same month."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.system.month.month import Month, Plan


def run(folder: Path, plan: Plan) -> Month:
    folder.mkdir()
    month = Month(folder, plan)
    month.run()
    return month


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_month_of_troubles_breaks_no_promise(tmp_path: Path) -> None:
    month = run(tmp_path / "month", Plan(seed=1, hours_between_faults=20))
    seen, trainings = month.inspector, month.journal.trainings
    assert len(month.journal.faults) > 20, "of many kinds"
    assert min(seen.statuses["answered"], seen.kept) > 900
    assert seen.statuses["not_ready"] > 20
    assert len(seen.submitted) > 600
    assert min(trainings["promoted"], trainings["refused"]) > 10
    assert trainings.total() > 40


TWO_DAYS = Plan(seed=7, days=2, hours_between_faults=10)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_same_seed_gives_the_same_answers_and_submissions_and_another_one_others(tmp_path: Path) -> None:
    once, again = (run(tmp_path / name, TWO_DAYS) for name in ("once", "again"))
    other = run(tmp_path / "other", replace(TWO_DAYS, seed=8, days=0.3))
    assert once.inspector.kept > 50
    assert once.inspector.submitted
    assert once.journal.faults
    assert once.digest == again.digest
    assert once.journal.faults == again.journal.faults
    assert once.digest != other.digest
