"""A backtest's tasks, the plan that holds for all of them, and what comes of each; no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from forecasting.backtesting.chart_data import Curves
from forecasting.evaluation.scores import Scores
from node.config import Updater
from node.durations import Duration, Interval
from node.topics import Target, Task

FIELDS: Final = (
    "token", "target", "horizon", "interval", "model", "loss", "n", "n_effective", "rmse", "baseline_rmse", "ratio", "dm", "dm_p",
    "mae", "mape", "r", "da", "da_low", "czar", "baseline_czar", "log10_loss", "baseline_log10_loss", "dm_log10", "czar_log10",
    "baseline_czar_log10", "coverage_90", "grade", "seconds",
)  # fmt: skip
"""What is said of every task, in this order."""

FIGURES: Final = FIELDS[FIELDS.index("n") : FIELDS.index("seconds")]
"""Those of them that are measured; the others name the task."""


@dataclass(frozen=True, slots=True)
class BacktestTask:
    """One task to be tested: what is forecast, from which bars, by which model, under which loss."""

    token: str
    target: Target
    horizon: Duration
    interval: Interval
    model: str
    loss: str

    @property
    def task(self) -> Task:
        return Task(self.token, self.target, self.horizon)

    def __str__(self) -> str:
        return f"{self.task} on {self.interval} by {self.model}, {self.loss}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What holds for every trial. Times are instants in milliseconds UTC: training knows what had closed by `train_until_ms`, the
    test ends with what had closed by `test_until_ms`."""

    folders: tuple[Path, ...]
    train_until_ms: int | None = None
    test_until_ms: int | None = None
    refit: Duration | None = None
    seed: int = 0
    max_epochs: int = Updater().max_epochs
    with_curves: bool = False
    features: tuple[str, ...] = ()
    leader: str | None = None
    history_days: int = Updater().history_days
    """Days of minutes to learn from; longer bars reach as many bars back, up to four years, as in the node."""


@dataclass(frozen=True, slots=True)
class Result:
    """A trial's figures, or why it has none. `seconds` is all the time it took, reading and training included."""

    task: BacktestTask
    seconds: float
    scores: Scores | None = None
    figures: dict[str, Any] | None = None
    curves: Curves | None = None
    fits: int = 0
    problem: str = ""

    def to_row(self) -> dict[str, Any]:
        """Exactly the fields of FIELDS; null for a figure that does not exist."""
        task = self.task
        named = {
            "token": task.token, "target": task.target.value, "horizon": str(task.horizon), "interval": task.interval.value,
            "model": task.model, "loss": task.loss, "n": 0, "seconds": round(self.seconds, 2),
        }  # fmt: skip
        found = named | (self.figures or {})
        return {name: _plain(found.get(name)) for name in FIELDS}


def figures_of(scores: Scores) -> dict[str, Any]:
    """Scores under the names of FIELDS."""
    found = scores.to_dict() | {"da": scores.directional_accuracy}
    return {name: found[name] for name in FIGURES}


def _plain(value: Any) -> Any:
    """As JSON can say it: numbers that are none become null."""
    number = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(number, float) and not math.isfinite(number) else number
