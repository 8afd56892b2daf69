"""Many tasks at the same time, a process of one thread each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from joblib import Parallel, delayed, parallel_config

from forecasting.backtesting.tasks import BacktestTask, Plan, Result
from node.parent_watchdog import tied_to_this_process


def run(plan: Plan, tasks: Sequence[BacktestTask], jobs: int) -> Iterator[Result]:
    """Results as they come, from `jobs` processes of one thread each; a trial that fails is a result too."""
    with parallel_config(backend="loky", inner_max_num_threads=1, **tied_to_this_process()):
        yield from Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(attempt_in_process)(plan, task) for task in tasks)


def attempt_in_process(plan: Plan, task: BacktestTask) -> Result:
    """Test a task in a process of its own. Only there is torch loaded: whoever waits for the results needs none."""
    from forecasting.backtesting.backtest import attempt  # noqa: PLC0415

    return attempt(plan, task)
