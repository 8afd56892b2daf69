"""Search for settings: what a model does with them on a part of time that comes after everything it has learned from.

Every trial trains on what had closed before the validation part and is judged on that part, which ends at a date; nothing after the
date is read. The usual settings are the first trial, so that it shows what a search has brought. The best of many trials looks
better than it is: only a backtest after the date tells by how much.

Source: J. Bergstra and others, "Algorithms for hyper-parameter optimization", 2011 (the sampler).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import optuna
from joblib import Parallel, delayed, parallel_config

from forecasting.backtesting.backtest import between, until
from forecasting.backtesting.tasks import BacktestTask
from forecasting.evaluation.scores import Scores
from forecasting.evaluation.walk_forward import walk_forward
from forecasting.models import NETWORKS, NetworkSettings, network_model
from forecasting.prediction.onnx_session import open_session
from forecasting.training.train import train
from forecasting.training.training_loop import FitSettings
from market.recorded_candles import CandleFiles
from node.config import Updater
from node.errors import NodeError, NotEnoughDataError
from node.parent_watchdog import tied_to_this_process

VALIDATION_SHARE: Final = 0.2
"""Part of the candles before the date that trials are judged on."""

Value = int | float


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What is searched for, and where. `until_ms`: nothing that closes later is read; the end of the record if it is None."""

    folders: tuple[Path, ...]
    task: BacktestTask
    until_ms: int | None = None
    trials: int = 20
    seed: int = 0
    max_epochs: int = Updater().max_epochs


@dataclass(frozen=True, slots=True)
class Tried:
    """One set of settings and what came of it; `scores` is None where `problem` says why. Trial 0 has the usual settings."""

    number: int
    values: dict[str, Value]
    scores: Scores | None
    seconds: float
    problem: str = ""

    @property
    def judged(self) -> float | None:
        """Loss on the validation part beside the baseline's: what is minimised."""
        return None if self.scores is None else 1 - self.scores.skill

    def to_row(self) -> dict[str, Any]:
        """As one line of the table of trials."""
        scores = self.scores
        figures = {
            "loss_ratio": self.judged,
            "rmse_ratio": scores.ratio if scores else None,
            "dm": scores.dm if scores else None,
            "n": scores.n if scores else 0,
        }
        return {"trial": self.number} | self.values | figures | {"seconds": round(self.seconds, 2), "problem": self.problem}


SPACE: Final[dict[str, optuna.distributions.BaseDistribution]] = {
    "history_days": optuna.distributions.CategoricalDistribution((30, 60, 90, 180)),
    "learning_rate": optuna.distributions.FloatDistribution(3e-4, 1e-2, log=True),
    "weight_decay": optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True),
    "batch": optuna.distributions.CategoricalDistribution((128, 256, 512)),
    "window": optuna.distributions.IntDistribution(2, 64, log=True),
    "hidden": optuna.distributions.IntDistribution(8, 64, log=True),
    "layers": optuna.distributions.IntDistribution(1, 2),
    "channels": optuna.distributions.IntDistribution(8, 48, log=True),
    "dropout": optuna.distributions.FloatDistribution(0.0, 0.4),
}
"""Where settings are looked for; a model takes part with those it has."""


def usual_values(model: str) -> dict[str, Value]:
    """The settings that a model is trained with unless told otherwise, as far as they can be searched."""
    values: dict[str, Value] = {"history_days": Updater().history_days}
    network = NETWORKS.get(model)
    if network is not None:
        values |= asdict(FitSettings()) | asdict(network)
    return {name: values[name] for name in SPACE if name in values}


def search(plan: SweepPlan, jobs: int) -> Iterator[Tried]:
    """Trials as they come, `jobs` at a time in processes of their own; what is tried next depends on what came of those before."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    usual = usual_values(plan.task.model)
    space = {name: SPACE[name] for name in usual}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=plan.seed))
    study.enqueue_trial(usual)
    with parallel_config(backend="loky", inner_max_num_threads=1, **tied_to_this_process()), Parallel(n_jobs=jobs) as workers:
        for begin in range(0, plan.trials, jobs):
            asked = [study.ask(space) for _ in range(min(jobs, plan.trials - begin))]
            found: list[Tried] = workers(delayed(attempt)(plan, trial.number, trial.params) for trial in asked)
            for trial, tried in zip(asked, found, strict=True):
                state = optuna.trial.TrialState.FAIL if tried.judged is None else None
                study.tell(trial, tried.judged, state=state)
                yield tried


def best_of(tried: list[Tried]) -> Tried:
    """The one that lost least; of equals the first, which is the more usual one. NotEnoughDataError if none could be judged."""
    judged = [each for each in tried if each.judged is not None]
    if not judged:
        raise NotEnoughDataError(f"no trial could be judged: {tried[0].problem if tried else 'there was none'}")
    return min(judged, key=lambda each: (each.judged, each.number))


def attempt(plan: SweepPlan, number: int, values: dict[str, Value]) -> Tried:
    """Train with these settings and judge them."""
    started = time.perf_counter()
    try:
        scores, problem = _judge(plan, values), ""
    except NodeError as error:
        scores, problem = None, error.message
    return Tried(number, values, scores, time.perf_counter() - started, problem)


def _judge(plan: SweepPlan, values: dict[str, Value]) -> Scores:
    task = plan.task
    candles = until(CandleFiles(plan.folders).candles(task.token, task.interval), plan.until_ms, task.interval)
    if candles.empty:
        raise NotEnoughDataError(f"there are no {task.interval} candles of {task.token} before the date")
    begin = int(candles["open_time"].iloc[int((1 - VALIDATION_SHARE) * len(candles))])
    bars = Updater(history_days=int(values["history_days"])).history_ms(task.interval) // task.interval.ms
    history = until(candles, begin, task.interval).iloc[-bars:].reset_index(drop=True)
    network = network_with(task.model, values)
    candidate = train(
        task.task, task.model, task.loss, history,
        seed=plan.seed, max_epochs=plan.max_epochs, interval=task.interval,
        settings=fit_settings_with(values), kind=network_model(network) if network else None,
    )  # fmt: skip
    end = int(candles["open_time"].iloc[-1])
    seen = between(candles, begin - candidate.signature.bars_needed * task.interval.ms, end + 1)
    return walk_forward(open_session(candidate.graph), candidate.signature, seen, begin, end).score(task.loss)


def network_with(model: str, values: dict[str, Value]) -> NetworkSettings | None:
    """The network's settings with these values in them; None for a model without any."""
    network = NETWORKS.get(model)
    return None if network is None else replace(network, **_known(network, values))


def fit_settings_with(values: dict[str, Value]) -> FitSettings:
    """The training's settings with these values in them."""
    return replace(FitSettings(), **_known(FitSettings(), values))


def _known(settings: NetworkSettings | FitSettings, values: dict[str, Value]) -> dict[str, Any]:
    names = {field.name for field in fields(settings)}
    return {name: value for name, value in values.items() if name in names}
