"""`allora-node sweep`: search settings of a model for one task, on a record up to a date."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.options import instant_ms, one_of, read_one, token_of
from cli.progress import print_table, progress
from node.config import Parameters, Updater
from node.durations import Duration, Interval
from node.model_names import LOSS_NAMES, MODEL_NAMES
from node.topics import DEFAULT_LOSS, Target, Task, check_horizon

if TYPE_CHECKING:
    from forecasting.backtesting.hyperparameter_search import Tried

SHOWN = 10


def sweep(
    candles: Annotated[list[Path], typer.Option(exists=True, file_okay=False, help="Folder of Parquet files; may be given again.")],
    token: Annotated[str, typer.Option(help="Such as BTC.")],
    horizon: Annotated[str, typer.Option(help="Such as 15m or 8h.")],
    target: Annotated[str, typer.Option(help="price, log_return or volatility.")] = "price",
    interval: Annotated[str | None, typer.Option(help="Length of the candles the model reads. Default: the node's own.")] = None,
    model: Annotated[str, typer.Option(help=f"{', '.join(MODEL_NAMES)}.")] = str(Parameters.model_fields["model"].default),
    loss: Annotated[str | None, typer.Option(help=f"{', '.join(LOSS_NAMES)}. Default: the target's usual one.")] = None,
    until: Annotated[str | None, typer.Option(help="Nothing that closes after this UTC date is read.", metavar="DATE")] = None,
    trials: Annotated[int, typer.Option(min=1, max=10_000, help="Settings to try; the usual ones come first.")] = 20,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Trials at the same time, one thread each.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of the search and of every training.")] = 0,
    max_epochs: Annotated[int, typer.Option(min=1, max=1000, help="Upper bound on passes over the training windows.")] = (
        Updater().max_epochs
    ),
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the table of trials there.", dir_okay=False)] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="The same as CSV.", dir_okay=False)] = None,
) -> None:
    """Try settings of a model for one task, and say which did best.

    Each trial trains on the record up to a fifth before its end and is judged on that fifth. With --until, what comes after that
    date stays unseen: test the winner there with backtest, for the best of many trials looks better than it is.
    """
    from forecasting.backtesting.tasks import BacktestTask

    wanted = Task(
        read_one("--token", token, token_of),
        read_one("--target", target, Target),
        read_one("--horizon", horizon, lambda text: check_horizon(Duration.parse(text), Target(target))),
    )
    task = BacktestTask(
        wanted.token,
        wanted.target,
        wanted.horizon,
        read_one("--interval", interval, Interval) if interval else wanted.interval,
        read_one("--model", model, one_of(MODEL_NAMES)),
        read_one("--loss", loss, one_of(LOSS_NAMES)) if loss else DEFAULT_LOSS[wanted.target],
    )
    until_ms = read_one("--until", until, instant_ms) if until else None
    # What is wrong with an option is said before torch is loaded.
    from forecasting.backtesting.hyperparameter_search import SweepPlan, best_of, search

    plan = SweepPlan(tuple(candles), task, until_ms=until_ms, trials=trials, seed=seed, max_epochs=max_epochs)
    tried: list[Tried] = []
    with progress("trials", trials) as say:
        for each in search(plan, jobs):
            tried.append(each)
            say(_line(each))
            _write(tried, json_file, csv_file)
    best = best_of(tried)
    print_table(_table(str(plan.task), tried))
    _recommend(best, tried, plan.task.model)


def _line(tried: Tried) -> str:
    settings = ", ".join(f"{name} {_shown(value)}" for name, value in tried.values.items())
    return f"{settings}: " + (tried.problem or f"loss {tried.judged:.5f} of the baseline's, {tried.seconds:.0f} s")


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str("–" if value is None else value)


def _table(title: str, tried: list[Tried]) -> Table:
    rows = [each.to_row() for each in sorted(tried, key=lambda each: (each.judged is None, each.judged, each.number))]
    table = Table(title=f"{title}: the best {min(SHOWN, len(rows))} of {len(rows)} trials; trial 0 has the usual settings")
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows[:SHOWN]:
        table.add_row(*(f"{value:.5f}" if name == "loss_ratio" and value else _shown(value) for name, value in row.items()))
    return table


def _write(tried: list[Tried], json_file: Path | None, csv_file: Path | None) -> None:
    """After every trial, so that a search that is stopped leaves what it has found."""
    rows = [each.to_row() for each in tried]
    if json_file:
        json_file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if csv_file:
        with csv_file.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


def _recommend(best: Tried, tried: list[Tried], model: str) -> None:
    from forecasting.backtesting.hyperparameter_search import fit_settings_with, network_with
    from forecasting.models import NETWORKS

    if best.number == 0:
        typer.echo("Nothing did better than the usual settings; keep them.")
        return
    usual = next((each for each in tried if each.number == 0), None)
    beside = f", {usual.judged:.5f} with the usual settings" if usual and usual.judged is not None else ""
    typer.echo(f"Best is trial {best.number}: {best.judged:.5f} of the baseline's loss{beside}.")
    typer.echo("In config.json:")
    config = {"updater": {"historyDays": best.values["history_days"]}, "worker": [{"parameters": {"Model": model}}]}
    typer.echo(json.dumps(config))
    if model in NETWORKS:
        typer.echo("In forecasting/models and forecasting/training/training_loop.py:")
        typer.echo(f"{network_with(model, best.values)}\n{fit_settings_with(best.values)}")
    typer.echo("It was chosen for looking good here. What it is worth, a backtest after the date says.")
