"""Forecasts graded as the network's builder kit grades them: its seven checks and its newest grader, side by side.

Answers of the ledger are graded as moves away from the baseline, as every score is: log returns, or logs of volatility.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.arrays import Floats, Integers
from forecasting.evaluation.direction import Checks, checks_of
from forecasting.evaluation.forecast_series import ForecastSeries
from forecasting.evaluation.kit_grader import promotion_of
from forecasting.live.ledger import Ledger
from forecasting.live.live_scores import submitted_walk, walk_of
from node.durations import Duration
from node.errors import ForecastError, NotEnoughDataError
from node.topics import Target, Topic

LEAST_ROWS = 3


@dataclass(frozen=True, slots=True)
class Grading:
    """What both graders say of `n` forecasts, of which `n_apart` lie a horizon apart and go into the seven checks.

    `basis` says what was graded: rows of a file, or a topic's submissions or answers. `promotion` is the newest grader, which has
    none for volatilities; participation in it is assumed to be whole where `participation` is None.
    """

    basis: str
    n: int
    n_apart: int
    participation: float | None
    checks: Checks
    promotion: Checks | None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        promotion = self.promotion and self.promotion.to_dict() | {"eligible": self.promotion.passed == len(self.promotion.checks)}
        return {
            "basis": self.basis,
            "n": self.n,
            "n_apart": self.n_apart,
            "participation": self.participation,
            "checks": self.checks.to_dict(),
            "promotion": promotion,
        }


def grade_returns(
    actual: Floats,
    forecast: Floats,
    *,
    basis: str = "rows",
    steps: int = 1,
    horizon: Duration | None = None,
    epochs: Integers | None = None,
    participation: float | None = None,
    target: Target | None = None,
) -> Grading:
    """Of truths and forecasts [n], one horizon spanning `steps` rows; the rest is as `promotion_of` has it.

    NotEnoughDataError where fewer than three lie a horizon apart, ForecastError where one is not finite.
    """
    n, n_apart = len(actual), len(actual[::steps])
    if n_apart < LEAST_ROWS:
        raise NotEnoughDataError(f"{n} {basis} are too few to grade: {LEAST_ROWS} at least must lie a horizon apart")
    wrong = np.flatnonzero(~(np.isfinite(actual) & np.isfinite(forecast)))
    if len(wrong):
        raise ForecastError(f"{len(wrong)} of {n} {basis} have a number that is not finite, the first in row {wrong[0] + 1}")
    part = 1.0 if participation is None else participation
    promotion = (
        None
        if target is Target.VOLATILITY
        else promotion_of(actual, forecast, steps=steps, horizon=horizon, epochs=epochs, participation=part)
    )
    return Grading(basis, n, n_apart, participation, checks_of(actual, forecast, steps=steps), promotion)


def grade_topic(ledger: Ledger, topic: Topic, *, since_ms: int) -> Grading:
    """Of what the worker took to submit for a topic since then, or of all its answers until there is such.

    NotEnoughDataError where too few of them have been judged.
    """
    submitted = ledger.submissions.judged(topic.id, topic.task, since_ms=since_ms)
    if not submitted.empty:
        return _grade_walk(topic, "submissions", submitted_walk(topic.task, submitted))
    answered = ledger.judged(topic.id, topic.task, since_ms=since_ms)
    if answered.empty:
        raise NotEnoughDataError(f"nothing of topic {topic.id} has been judged yet", hint="Wait until a horizon has passed.")
    return _grade_walk(topic, "answers", walk_of(topic.task, answered))


def _grade_walk(topic: Topic, basis: str, walk: ForecastSeries) -> Grading:
    epochs = epochs_of(walk.times)
    return grade_returns(
        walk.actual - walk.baseline,
        walk.forecast - walk.baseline,
        basis=basis,
        steps=walk.steps,
        horizon=topic.task.horizon,
        epochs=epochs,
        participation=len(epochs) / (int(epochs[-1]) + 1),
        target=topic.task.target,
    )


def epochs_of(times: Integers) -> Integers:
    """Ascending times [n] as numbers of epochs, from 0 on; an epoch is as long as most gaps are."""
    gaps = np.diff(times)
    if len(gaps) == 0:
        return np.zeros(len(times), np.int64)
    passed = np.maximum(1, np.rint(gaps / np.median(gaps))).astype(np.int64)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(passed)])
