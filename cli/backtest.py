"""`allora-node backtest`: train on a record up to a date, test on what lies after, and say how good it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.options import instant_ms, one_of, read_list, read_one, token_of
from cli.progress import print_table, progress
from node.config import Updater
from node.durations import Duration, Interval
from node.errors import NotEnoughDataError
from node.model_names import LOSS_NAMES, MODEL_NAMES
from node.topics import Target, check_horizon

if TYPE_CHECKING:
    from forecasting.backtesting.tasks import BacktestTask, Plan, Result

EPOCHS = Updater().max_epochs
DAYS = Updater().history_days
Several = "; several with commas, or the option given again"


def backtest(
    candles: Annotated[list[Path], typer.Option(exists=True, file_okay=False, help="Folder of Parquet files; may be given again.")],
    train_until: Annotated[str | None, typer.Option(help="Training knows what closed by this UTC date.", metavar="DATE")] = None,
    test_until: Annotated[str | None, typer.Option(help="The test ends with what closed by this UTC date.", metavar="DATE")] = None,
    refit: Annotated[str | None, typer.Option(help="Train anew this often during the test, such as 7d.")] = None,
    token: Annotated[list[str] | None, typer.Option(help=f"Such as BTC{Several}. Default: all in the record.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="price, log_return or volatility.")] = None,
    horizon: Annotated[list[str] | None, typer.Option(help="Such as 5m or 24h.")] = None,
    interval: Annotated[list[str] | None, typer.Option(help="Length of the candles the model reads: 1m, 5m, 15m, 1h.")] = None,
    model: Annotated[list[str] | None, typer.Option(help=f"{', '.join(MODEL_NAMES)}.")] = None,
    loss: Annotated[list[str] | None, typer.Option(help=f"{', '.join(LOSS_NAMES)}. Default: the target's usual one.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Cells tested at the same time, one thread each.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of every training.")] = 0,
    max_epochs: Annotated[int, typer.Option(min=1, max=1000, help="Upper bound on passes over the training windows.")] = EPOCHS,
    history_days: Annotated[
        int, typer.Option(min=1, max=730, help="As updater.historyDays: days of minutes to learn from.")
    ] = DAYS,
    features: Annotated[str | None, typer.Option(help="As the parameter Features: names with commas.")] = None,
    leader: Annotated[str | None, typer.Option(help="As the parameter Leader: a token whose candles are read too.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures there.", dir_okay=False)] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report there, one file.", dir_okay=False)] = None,
) -> None:
    """Train each task on what a record holds up to a date, and test it on what lies after, beside the baseline.

    Without --target, --horizon and --interval the usual tasks are tried: prices 5, 10 and 20 minutes ahead on 1m and 5m candles,
    8 and 24 hours ahead on 1h candles, volatility over 15 minutes and 4 hours on 1m candles. Without --train-until the newest fifth
    of each task's candles is the test.
    """
    from forecasting.backtesting.run import run
    from forecasting.backtesting.tasks import Plan
    from forecasting.backtesting.usual_tasks import Choice, list_backtest_tasks
    from market.recorded_candles import CandleFiles

    plan = Plan(
        folders=tuple(candles),
        train_until_ms=read_one("--train-until", train_until, instant_ms) if train_until else None,
        test_until_ms=read_one("--test-until", test_until, instant_ms) if test_until else None,
        refit=read_one("--refit", refit, Duration.parse) if refit else None,
        seed=seed,
        max_epochs=max_epochs,
        with_curves=report is not None,
        history_days=history_days,
        features=read_list("--features", [features] if features else None, str),
        leader=read_one("--leader", leader, token_of) if leader else None,
    )
    choice = Choice(
        tokens=read_list("--token", token, token_of),
        targets=read_list("--target", target, Target),
        horizons=read_list("--horizon", horizon, lambda text: check_horizon(Duration.parse(text))),
        intervals=read_list("--interval", interval, Interval),
        models=read_list("--model", model, one_of(MODEL_NAMES)),
        losses=read_list("--loss", loss, one_of(LOSS_NAMES)),
    )
    tasks = list_backtest_tasks(choice, CandleFiles(plan.folders), plan.train_until_ms, plan.test_until_ms)
    if not tasks:
        raise NotEnoughDataError(
            "no token of the record has candles on both sides of the date", hint="Choose another --train-until, or name --token."
        )
    results = _in_order(tasks, plan, jobs, run)
    print_table(_table(results))
    _write(results, plan, json_file, report)
    if all(result.problem for result in results):
        raise NotEnoughDataError("none of the tasks could be tested", hint="The table says why.")


def _in_order(
    tasks: list[BacktestTask], plan: Plan, jobs: int, run: Callable[[Plan, list[BacktestTask], int], Iterator[Result]]
) -> list[Result]:
    found = {}
    with progress("tasks", len(tasks)) as say:
        for result in run(plan, tasks, jobs):
            found[result.task] = result
            say(_line(result))
    return [found[task] for task in tasks]


def _line(result: Result) -> str:
    if result.scores is None:
        return f"{result.task}: {result.problem}"
    return f"{result.task}: ratio {result.scores.ratio:.4f}, DM {result.scores.dm:+.2f}, {result.seconds:.0f} s"


_COLUMNS = (
    "n",
    "ratio",
    "dm",
    "r",
    "da",
    "mape",
    "czar",
    "baseline_czar",
    "log10_loss",
    "baseline_log10_loss",
    "coverage_90",
    "grade",
    "seconds",
)
_DECIMALS = {"n": 0, "dm": 2, "r": 3, "da": 3, "coverage_90": 3, "seconds": 0}


def _table(results: list[Result]) -> Table:
    table = Table(title="Beside the baseline: ratio of RMSE below 1 and DM above 0 are better")
    for name in ("task", "candles", "model", "loss"):
        table.add_column(name)
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for result in results:
        task = result.task
        names = (str(task.task), task.interval.value, task.model, task.loss)
        if result.problem:
            table.add_row(*names, f"[yellow]{result.problem}[/yellow]")
            continue
        row = result.to_row()
        table.add_row(*names, *(_shown(name, row[name]) for name in _COLUMNS))
    return table


def _shown(name: str, value: object) -> str:
    return f"{value:.{_DECIMALS.get(name, 4)}f}" if isinstance(value, int | float) else str("–" if value is None else value)


def _write(results: list[Result], plan: Plan, json_file: Path | None, report: Path | None) -> None:
    if json_file:
        json_file.write_text(json.dumps([result.to_row() for result in results], indent=1) + "\n", encoding="utf-8")
        typer.echo(f"figures are in {json_file}")
    if report:
        from forecasting.backtesting.report import report_of

        report.write_text(report_of(plan, results), encoding="utf-8")
        typer.echo(f"the report is in {report}")
