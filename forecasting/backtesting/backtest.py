"""Train on what lies up to a date, test on what lies after: the node's own training and judge, walked forward over a record.

Every task is a process's work of its own: it reads its candles, trains as the node trains (as much history, the same gate towards
the baseline), and asks the served graph at every bar of the test. With a refit period the model is trained anew as the test goes
on, from what had closed by then, starting from the weights before.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from forecasting.backtesting.chart_data import curves_of
from forecasting.backtesting.tasks import BacktestTask, Plan, Result, figures_of
from forecasting.dataset.bars import beside
from forecasting.dataset.long_deviation import reach_ms
from forecasting.evaluation.forecast_series import ForecastSeries, join
from forecasting.evaluation.walk_forward import walk_forward
from forecasting.models import get_model
from forecasting.prediction.onnx_session import open_session
from forecasting.prediction.recent_residuals import bars_to_follow
from forecasting.training.train import Candidate, shrink_to_baseline, train
from market.recorded_candles import CandleFiles
from node.config import Updater
from node.durations import Duration, Interval
from node.errors import NodeError, NotEnoughDataError

TEST_SHARE: Final = 0.2
"""Part of a record that is kept for the test where no date says otherwise."""


def attempt(plan: Plan, task: BacktestTask) -> Result:
    """One trial from the record to its figures."""
    started = time.perf_counter()
    try:
        result = _test(plan, task)
    except NodeError as error:
        result = Result(task, 0.0, problem=error.message)
    return replace(result, seconds=time.perf_counter() - started)


def _test(plan: Plan, task: BacktestTask) -> Result:
    if task.horizon.ms % task.interval.ms:
        raise NotEnoughDataError(f"a horizon of {task.horizon} is not a whole number of {task.interval} candles")
    candles = until(_recorded(plan, task), plan.test_until_ms, task.interval)
    if candles.empty:
        leader = _leader(plan, task)
        beside_whom = f" beside those of {leader}" if leader else ""
        raise NotEnoughDataError(f"there are no {task.interval} candles of {task.token}{beside_whom}")
    start = plan.train_until_ms if plan.train_until_ms is not None else default_train_until(candles)
    walks = [walk for _, walk in walk_on(plan, task, candles, start)]  # a candidate holds its dataset: none is kept
    walk = join(walks)
    scores = walk.score(task.loss)
    curves = curves_of(walk, task.loss) if plan.with_curves else None
    return Result(task, 0.0, scores, figures_of(scores), curves, fits=len(walks))


def _recorded(plan: Plan, task: BacktestTask) -> pd.DataFrame:
    """The record's candles of a trial's token, with the leader's beside them where the trial reads some."""
    files = CandleFiles(plan.folders)
    candles = files.candles(task.token, task.interval)
    leader = _leader(plan, task)
    return candles if leader is None else beside(candles, files.candles(leader, task.interval))


def _leader(plan: Plan, task: BacktestTask) -> str | None:
    """No token leads itself."""
    return None if plan.leader == task.token else plan.leader


def walk_on(plan: Plan, task: BacktestTask, candles: pd.DataFrame, start_ms: int) -> Iterator[tuple[Candidate, ForecastSeries]]:
    """Train at `start_ms` and at every refit after it, and walk each candidate until the next; NotEnoughDataError if nothing in
    the span can be forecast."""
    end = int(candles["open_time"].iloc[-1]) + task.interval.ms
    if start_ms >= end:
        raise NotEnoughDataError("the record has no candles after the date that training ends with")
    candidate: Candidate | None = None
    for begin, stop in _stretches(start_ms, end, plan.refit):
        candidate = _refitted(plan, task, candles, begin, candidate)
        signature = candidate.signature
        before, after = max(bars_to_follow(signature) * task.interval.ms, reach_ms(task.horizon)), task.horizon.ms
        seen = between(candles, begin - before, stop + after)
        try:
            yield candidate, walk_forward(open_session(candidate.graph), signature, seen, begin, stop - 1, candidate.intervals)
        except NotEnoughDataError:
            continue


def fit_until(plan: Plan, task: BacktestTask, candles: pd.DataFrame, until_ms: int, champion: bytes | None = None) -> Candidate:
    """What the node would serve at `until_ms`: trained on what had closed by then, as far back as the plan says, and
    turned into the baseline if it showed no skill on the part of that history kept from it. Models that the literature is taken
    at its word with stay as they are: they are yardsticks."""
    history = (
        until(candles, until_ms, task.interval).iloc[-bars_of_history(task.interval, plan.history_days) :].reset_index(drop=True)
    )
    if history.empty:
        raise NotEnoughDataError("the record has no candles before the date that training ends with")
    candidate = train(
        task.task, task.model, task.loss, history,
        seed=plan.seed, max_epochs=plan.max_epochs, interval=task.interval, champion=champion,
        features=plan.features, leader=_leader(plan, task),
    )  # fmt: skip
    earned = candidate.scores.earned or get_model(task.model).plain
    return candidate if earned else shrink_to_baseline(candidate)


def _refitted(plan: Plan, task: BacktestTask, candles: pd.DataFrame, at_ms: int, before: Candidate | None) -> Candidate:
    try:
        return fit_until(plan, task, candles, at_ms, before.weights if before else None)
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
