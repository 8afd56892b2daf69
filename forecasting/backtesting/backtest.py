"""Train on what lies up to a date, test on what lies after: the node's own training and judge, walked forward over a record.

Every task is a process's work of its own: it reads its candles, trains as the node trains (as much history, the same gate towards
the baseline), and asks the served graph at every bar of the test. With a refit period the model is trained anew as the test goes
on, from what had closed by then, starting from the weights before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config

from forecasting.backtesting.chart_data import Curves, curves_of
from forecasting.dataset.bars import beside
from forecasting.dataset.long_deviation import reach_ms
from forecasting.evaluation.forecast_series import ForecastSeries, join
from forecasting.evaluation.scores import Scores
from forecasting.evaluation.walk_forward import walk_forward
from forecasting.models import get_model
from forecasting.prediction.onnx_session import open_session
from forecasting.prediction.recent_residuals import bars_to_follow
from forecasting.training.train import Candidate, shrink_to_baseline, train
from market.recorded_candles import CandleFiles
from node.config import Updater
from node.durations import Duration, Interval
from node.errors import NodeError, NotEnoughDataError
from node.parent_watchdog import tied_to_this_process
from node.topics import Target, Task

FIELDS: Final = (
    "token", "target", "horizon", "interval", "model", "loss", "n", "n_effective", "rmse", "baseline_rmse", "ratio", "dm", "dm_p",
    "mae", "mape", "r", "da", "da_low", "czar", "baseline_czar", "log10_loss", "baseline_log10_loss", "dm_log10", "czar_log10",
    "baseline_czar_log10", "coverage_90", "grade", "seconds",
)  # fmt: skip
"""What is said of every task, in this order."""

FIGURES: Final = FIELDS[FIELDS.index("n") : FIELDS.index("seconds")]
"""Those of them that are measured; the others name the task."""

TEST_SHARE: Final = 0.2
"""Part of a record that is kept for the test where no date says otherwise."""


@dataclass(frozen=True, slots=True)
class Trial:
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

    trial: Trial
    seconds: float
    scores: Scores | None = None
    figures: dict[str, Any] | None = None
    curves: Curves | None = None
    fits: int = 0
    problem: str = ""

    def to_row(self) -> dict[str, Any]:
        """Exactly the fields of FIELDS; null for a figure that does not exist."""
        trial = self.trial
        named = {
            "token": trial.token, "target": trial.target.value, "horizon": str(trial.horizon), "interval": trial.interval.value,
            "model": trial.model, "loss": trial.loss, "n": 0, "seconds": round(self.seconds, 2),
        }  # fmt: skip
        found = named | (self.figures or {})
        return {name: _plain(found.get(name)) for name in FIELDS}


def run(plan: Plan, trials: Sequence[Trial], jobs: int) -> Iterator[Result]:
    """Results as they come, from `jobs` processes of one thread each; a trial that fails is a result too."""
    with parallel_config(backend="loky", inner_max_num_threads=1, **tied_to_this_process()):
        yield from Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(attempt)(plan, trial) for trial in trials)


def attempt(plan: Plan, trial: Trial) -> Result:
    """One trial from the record to its figures."""
    started = time.perf_counter()
    try:
        result = _test(plan, trial)
    except NodeError as error:
        result = Result(trial, 0.0, problem=error.message)
    return replace(result, seconds=time.perf_counter() - started)


def _test(plan: Plan, trial: Trial) -> Result:
    if trial.horizon.ms % trial.interval.ms:
        raise NotEnoughDataError(f"a horizon of {trial.horizon} is not a whole number of {trial.interval} candles")
    candles = until(_recorded(plan, trial), plan.test_until_ms, trial.interval)
    if candles.empty:
        leader = _leader(plan, trial)
        beside_whom = f" beside those of {leader}" if leader else ""
        raise NotEnoughDataError(f"there are no {trial.interval} candles of {trial.token}{beside_whom}")
    start = plan.train_until_ms if plan.train_until_ms is not None else default_train_until(candles)
    walks = [walk for _, walk in walk_on(plan, trial, candles, start)]  # a candidate holds its dataset: none is kept
    walk = join(walks)
    scores = walk.score(trial.loss)
    curves = curves_of(walk, trial.loss) if plan.with_curves else None
    return Result(trial, 0.0, scores, figures_of(scores), curves, fits=len(walks))


def _recorded(plan: Plan, trial: Trial) -> pd.DataFrame:
    """The record's candles of a trial's token, with the leader's beside them where the trial reads some."""
    files = CandleFiles(plan.folders)
    candles = files.candles(trial.token, trial.interval)
    leader = _leader(plan, trial)
    return candles if leader is None else beside(candles, files.candles(leader, trial.interval))


def _leader(plan: Plan, trial: Trial) -> str | None:
    """No token leads itself."""
    return None if plan.leader == trial.token else plan.leader


def walk_on(plan: Plan, trial: Trial, candles: pd.DataFrame, start_ms: int) -> Iterator[tuple[Candidate, ForecastSeries]]:
    """Train at `start_ms` and at every refit after it, and walk each candidate until the next; NotEnoughDataError if nothing in
    the span can be forecast."""
    end = int(candles["open_time"].iloc[-1]) + trial.interval.ms
    if start_ms >= end:
        raise NotEnoughDataError("the record has no candles after the date that training ends with")
    candidate: Candidate | None = None
    for begin, stop in _stretches(start_ms, end, plan.refit):
        candidate = _refitted(plan, trial, candles, begin, candidate)
        signature = candidate.signature
        before, after = max(bars_to_follow(signature) * trial.interval.ms, reach_ms(trial.horizon)), trial.horizon.ms
        seen = between(candles, begin - before, stop + after)
        try:
            yield candidate, walk_forward(open_session(candidate.graph), signature, seen, begin, stop - 1, candidate.intervals)
        except NotEnoughDataError:
            continue


def fit_until(plan: Plan, trial: Trial, candles: pd.DataFrame, until_ms: int, champion: bytes | None = None) -> Candidate:
    """What the node would serve at `until_ms`: trained on what had closed by then, as far back as the plan says, and
    turned into the baseline if it showed no skill on the part of that history kept from it. Models that the literature is taken
    at its word with stay as they are: they are yardsticks."""
    history = (
        until(candles, until_ms, trial.interval).iloc[-bars_of_history(trial.interval, plan.history_days) :].reset_index(drop=True)
    )
    if history.empty:
        raise NotEnoughDataError("the record has no candles before the date that training ends with")
    candidate = train(
        trial.task, trial.model, trial.loss, history,
        seed=plan.seed, max_epochs=plan.max_epochs, interval=trial.interval, champion=champion,
        features=plan.features, leader=_leader(plan, trial),
    )  # fmt: skip
    earned = candidate.scores.earned or get_model(trial.model).plain
    return candidate if earned else shrink_to_baseline(candidate)


def _refitted(plan: Plan, trial: Trial, candles: pd.DataFrame, at_ms: int, before: Candidate | None) -> Candidate:
    try:
        return fit_until(plan, trial, candles, at_ms, before.weights if before else None)
    except NodeError:
        if before is None:
            raise
        return before  # as in the node: a failed training leaves the champion where it is


def _stretches(start: int, end: int, refit: Duration | None) -> Iterable[tuple[int, int]]:
    step = refit.ms if refit else end - start
    return ((begin, min(begin + step, end)) for begin in range(start, end, step))


def until(candles: pd.DataFrame, until_ms: int | None, interval: Interval) -> pd.DataFrame:
    """The candles that had closed by `until_ms`."""
    if until_ms is None:
        return candles
    return candles[candles["open_time"] + interval.ms <= until_ms].reset_index(drop=True)


def between(candles: pd.DataFrame, start_ms: int, end_ms: int) -> pd.DataFrame:
    """The candles that open from `start_ms` on and before `end_ms`."""
    first, last = np.searchsorted(candles["open_time"].to_numpy(), [start_ms, end_ms])
    return candles.iloc[first:last].reset_index(drop=True)


def bars_of_history(interval: Interval, days: int = Updater().history_days) -> int:
    """Bars that the node learns from when `updater.historyDays` is this."""
    return Updater(history_days=days).history_ms(interval) // interval.ms


def default_train_until(candles: pd.DataFrame) -> int:
    """The date that leaves the newest part of a record to the test."""
    return int(candles["open_time"].iloc[int((1 - TEST_SHARE) * len(candles))])


def figures_of(scores: Scores) -> dict[str, Any]:
    """Scores under the names of FIELDS."""
    found = scores.to_dict() | {"da": scores.directional_accuracy}
    return {name: found[name] for name in FIGURES}


def _plain(value: Any) -> Any:
    """As JSON can say it: numbers that are none become null."""
    number = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(number, float) and not math.isfinite(number) else number
