"""A backtest as one HTML file that needs nothing else: charts, and the table of every task.

The charting library stands in the file itself, and the page forbids the browser to load anything from anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from forecasting.backtesting.chart_data import Curves
from forecasting.backtesting.tasks import FIELDS, Plan, Result
from node.durations import SECOND_MS
from node.topics import Target

ACCENT, SECOND, MUTED = "#2563eb", "#d97706", "#94a3b8"
BETTER: Final = 1.65
"""Diebold–Mariano statistic above which a model is better than the baseline beyond noise: one-sided 5 %."""

_NINETY: Final = FIELDS.index("coverage_90")
SHOWN: Final = (*FIELDS[:_NINETY], "coverage_50", "coverage_80", *FIELDS[_NINETY:])
"""Columns of the table: what the JSON file says, and the narrower intervals."""

LAYOUT: Final = {
    "height": 340, "margin": {"l": 64, "r": 16, "t": 44, "b": 48}, "hovermode": "closest", "hoverlabel": {"namelength": -1},
    "font": {"family": "system-ui, sans-serif", "size": 13}, "legend": {"orientation": "h", "y": -0.2},
    "paper_bgcolor": "white", "plot_bgcolor": "white",
}  # fmt: skip


def report_of(plan: Plan, results: Sequence[Result]) -> str:
    """The page; tasks without figures stand in the table with their reason."""
    tested = [result for result in results if result.scores is not None and result.curves is not None]
    charts = {
        "overview": [_figure(_overview(tested)), _figure(_coverage(tested))],
        "tasks": [_task_charts(result) for result in tested],
    }
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("report.html.j2").render(
        summary=_summary(plan, results),
        columns=SHOWN,
        rows=[_row(result) for result in results],
        tasks=[str(result.task) for result in tested],
        charts=charts,
        library=get_plotlyjs(),
    )


def _summary(plan: Plan, results: Sequence[Result]) -> dict[str, object]:
    scores = [result.scores for result in results if result.scores is not None]
    return {
        "tasks tested": f"{len(scores)} of {len(results)}",
        "not worse than the baseline (ratio ≤ 1)": sum(score.ratio <= 1 for score in scores),
        f"better beyond noise (DM > {BETTER})": sum(score.dm > BETTER for score in scores),
        "trained until": _date(plan.train_until_ms) or "the newest fifth of each record",
        "tested until": _date(plan.test_until_ms) or "the end of the record",
        "trained anew": f"every {plan.refit}" if plan.refit else "never",
    }


def _date(time_ms: int | None) -> str:
    return "" if time_ms is None else datetime.fromtimestamp(time_ms / SECOND_MS, UTC).strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the table. With a `problem` its values only name the task."""

    values: list[str]
    problem: str
    is_better: bool


def _row(result: Result) -> _Row:
    row = result.to_row() | _narrower(result)
    columns = FIELDS[:6] if result.problem else SHOWN
    is_better = not result.problem and result.scores is not None and result.scores.dm > BETTER
    return _Row([_shown(row[name]) for name in columns], result.problem, is_better)


def _narrower(result: Result) -> dict[str, float | None]:
    scores = result.scores
    return {} if scores is None else {"coverage_50": scores.coverage_50, "coverage_80": scores.coverage_80}


def _shown(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _overview(tested: Sequence[Result]) -> go.Figure:
    figure = go.Figure()
    for result in tested:
        curves = _curves(result)
        figure.add_scatter(x=_dates(curves.times), y=curves.equity, mode="lines", name=str(result.task), line={"width": 1.5})
    figure.update_layout(title="Loss saved beside the baseline, adding up over time", showlegend=False, height=420)
    return figure.update_yaxes(tickformat=".2%", title="part of the baseline's loss", zerolinecolor=MUTED)


def _coverage(tested: Sequence[Result]) -> go.Figure:
    figure = go.Figure()
    for level in (50, 80, 90):
        rows = [(str(result.task), getattr(result.scores, f"coverage_{level}")) for result in tested]
        known = [(name, value) for name, value in rows if value is not None]
        figure.add_scatter(
            x=[name for name, _ in known], y=[value for _, value in known], mode="markers", name=f"{level} % interval"
        )
        figure.add_hline(y=level / 100, line={"color": MUTED, "dash": "dot", "width": 1})
    figure.update_layout(title="Part of the outcomes inside each interval")
    return figure.update_yaxes(tickformat=".0%", range=[0.3, 1]).update_xaxes(showticklabels=False)


def _task_charts(result: Result) -> list[dict[str, Any]]:
    curves = _curves(result)
    return [_figure(draw(result, curves)) for draw in (_equity, _pairs, _calibration, _hours)]


def _equity(result: Result, curves: Curves) -> go.Figure:
    figure = go.Figure(layout={"title": "Loss saved beside the baseline, adding up"})
    figure.add_scatter(x=_dates(curves.times), y=curves.equity, mode="lines", line={"color": ACCENT}, showlegend=False)
    return figure.update_yaxes(tickformat=".2%", zerolinecolor=MUTED)


def _pairs(result: Result, curves: Curves) -> go.Figure:
    figure = go.Figure(layout={"title": "Forecast against what came"})
    figure.add_scatter(x=curves.said, y=curves.came, mode="markers", marker={"size": 4, "opacity": 0.5, "color": ACCENT})
    figure.update_layout(showlegend=False)
    return figure.update_xaxes(title=f"forecast {_unit(result)}").update_yaxes(title="what came", zerolinecolor=MUTED)


def _calibration(result: Result, curves: Curves) -> go.Figure:
    figure = go.Figure(layout={"title": "Calibration: mean outcome by forecast, on the line if it is to be believed"})
    if not curves.bin_said:
        figure.add_annotation(text="the model answers the baseline", showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
        return figure
    ends = [min(curves.bin_said), max(curves.bin_said)]
    figure.add_scatter(x=ends, y=ends, mode="lines", line={"color": MUTED, "dash": "dot"}, name="as forecast")
    error = {"type": "data", "array": [2 * error for error in curves.bin_error], "color": MUTED}
    figure.add_scatter(
        x=curves.bin_said, y=curves.bin_came, mode="markers", marker={"color": ACCENT, "size": 8}, error_y=error, name="what came"
    )
    return figure.update_xaxes(title=f"forecast {_unit(result)}").update_yaxes(title="what came, ± 2 standard errors")


def _hours(result: Result, curves: Curves) -> go.Figure:
    figure = go.Figure(layout={"title": "Worst hours", "barmode": "group"})
    names = [_date(hour.open_time) for hour in curves.worst_hours]
    figure.add_bar(x=names, y=[hour.loss for hour in curves.worst_hours], name="the model's loss", marker={"color": ACCENT})
    figure.add_bar(
        x=names, y=[hour.baseline_loss for hour in curves.worst_hours], name="the baseline's loss", marker={"color": SECOND}
    )
    return figure.update_xaxes(type="category").update_yaxes(tickformat=".1%", title="part of the baseline's whole loss")


def _unit(result: Result) -> str:
    return "log of volatility, less the baseline's" if result.task.target is Target.VOLATILITY else "log return"


def _figure(figure: go.Figure) -> dict[str, Any]:
    content = json.loads(figure.to_json())
    # The library's usual theme, which would come with every single figure, is not wanted.
    return {"data": content["data"], "layout": LAYOUT | content["layout"] | {"template": {}}}


def _curves(result: Result) -> Curves:
    assert result.curves is not None  # noqa: S101 -- only tested tasks are drawn  # nosec B101
    return result.curves


def _dates(times: Sequence[int]) -> list[str]:
    return [datetime.fromtimestamp(time / SECOND_MS, UTC).isoformat() for time in times]
