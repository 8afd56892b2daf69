"""`allora-node grade`: forecasts as the network's builder kit grades them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.context import find_node
from cli.options import read_one
from cli.progress import print_table
from node.clock import SystemClock
from node.durations import Duration
from node.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from forecasting.arrays import Floats
    from forecasting.evaluation.direction import Checks
    from forecasting.live.grading import Grading


def grade(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="A .csv, .parquet or .json with columns actual and forecast.")
    ] = None,
    topic: Annotated[int | None, typer.Option("--topic", "-t", help="Instead of a file: a topic's number in config.json.")] = None,
    over: Annotated[
        str | None, typer.Option(help="How far back for a topic, such as 7d. Default: a week, or 30 horizons if that is more.")
    ] = None,
    horizon: Annotated[
        str | None, typer.Option(help="The file's horizon, such as 15m; counts as 20m or less if not given.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="How many rows of the file one horizon spans. Default: 1.")] = None,
    expected: Annotated[int | None, typer.Option(min=1, help="How many rows the file would have if none were missing.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Grade forecasts by the builder kit's seven checks, and by the criteria of its newest grader.

    A file holds log returns, a row a forecast, oldest first. A column baseline is taken off both; other columns are not looked at.
    Of a topic, what the worker took to submit is graded, or all answers where nothing of that has been judged yet. The seven checks
    look at forecasts that lie a horizon apart.

    Examples:

      allora-node grade forecasts.csv --horizon 15m

      allora-node grade --topic 3 --over 30d --json
    """
    if (file is None) == (topic is None):
        raise ConfigError("what to grade is not clear", hint="Give a file or --topic.")
    if file is not None:
        if over:
            raise ConfigError("--over is for a topic", hint="A file is graded whole.")
        graded = _of_file(file, read_one("--horizon", horizon, Duration.parse) if horizon else None, steps or 1, expected)
    elif topic is not None:
        if horizon or steps or expected:
            raise ConfigError("--horizon, --steps and --expected are for a file", hint="A topic is known.")
        graded = _of_topic(topic, over)
    if as_json:
        typer.echo(json.dumps(graded.to_dict(), indent=2))
    else:
        _print(graded)


def _of_file(file: Path, horizon: Duration | None, steps: int, expected: int | None) -> Grading:
    from forecasting.live.grading import grade_returns

    frame = _read(file)
    actual, forecast = _numbers(file, frame, "actual"), _numbers(file, frame, "forecast")
    if "baseline" in frame:
        baseline = _numbers(file, frame, "baseline")
        actual, forecast = actual - baseline, forecast - baseline
    if expected is not None and expected < len(actual):
        raise ConfigError(f"{file.name} has {len(actual)} rows, more than the {expected} expected")
    participation = len(actual) / expected if expected else None
    return grade_returns(actual, forecast, steps=steps, horizon=horizon, participation=participation)


def _of_topic(number: int, over: str | None) -> Grading:
    from forecasting.live.grading import grade_topic
    from forecasting.live.ledger import Ledger
    from forecasting.live.live_scores import shown_ms
    from node.database import open_database

    place = find_node()
    topic = place.topic(number)
    reach_ms = read_one("--over", over, Duration.parse).ms if over else shown_ms(topic.task)
    return grade_topic(Ledger(open_database(place.settings.database_url)), topic, since_ms=SystemClock().now_ms() - reach_ms)


def _read(file: Path) -> pd.DataFrame:
    """A file's table; ConfigError where it is none."""
    read = {".csv": _from_csv, ".parquet": _from_parquet, ".json": _from_json}.get(file.suffix.lower())
    if read is None:
        raise ConfigError(f"{file.name} ends in none of .csv, .parquet and .json")
    try:
        return read(file)
    except (ValueError, TypeError, OSError) as error:  # every parser's own errors are ValueErrors
        raise ConfigError(f"{file.name} cannot be read: {error}") from None


def _from_csv(file: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(file)


def _from_parquet(file: Path) -> pd.DataFrame:
    import pyarrow.parquet

    frame: pd.DataFrame = pyarrow.parquet.read_table(file).to_pandas()
    return frame


def _from_json(file: Path) -> pd.DataFrame:
    """A list of rows, or an object of columns."""
    import pandas as pd

    return pd.DataFrame(json.loads(file.read_text()))


def _numbers(file: Path, frame: pd.DataFrame, name: str) -> Floats:
    import numpy as np
    import pandas as pd

    if name not in frame:
        columns = ", ".join(map(str, frame.columns)) or "none"
        raise ConfigError(f"{file.name} has no column {name}", hint=f"Needed are actual and forecast; its columns are {columns}.")
    try:
        return pd.to_numeric(frame[name]).to_numpy(np.float64)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{file.name}: the column {name} holds what is no number: {error}") from None


def _print(graded: Grading) -> None:
    of = f"{graded.n} {graded.basis}"
    apart = of if graded.n_apart == graded.n else f"{graded.n_apart} of {of}, a horizon apart"
    print_table(_table(f"The builder kit's seven checks, of {apart}", graded.checks))
    if graded.promotion is None:
        typer.echo("Its newest grader has no criteria for volatilities.")
        return
    assumed = ", participation assumed" if graded.participation is None else ""
    print_table(_table(f"Its newest grader, of {of}{assumed}", graded.promotion))


def _table(title: str, checks: Checks) -> Table:
    table = Table("check", "figure", "needed", "", title=title, caption=_verdict(checks))
    table.columns[1].justify = "right"
    for check in checks.checks:
        space = "" if check.rule.value.endswith("±") else " "
        table.add_row(check.name, _shown(check.figure), f"{check.rule.value}{space}{check.bound:g}", _mark(passed=check.passed))
    return table


def _verdict(checks: Checks) -> str:
    return f"{checks.grade}: {checks.passed} of {len(checks.checks)} passed"


def _mark(*, passed: bool) -> str:
    return "[green]passed[/green]" if passed else "[red]failed[/red]"


def _shown(figure: float | None) -> str:
    return "–" if figure is None else f"{round(figure, 4) + 0.0:.4f}"
