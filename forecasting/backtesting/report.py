"""A backtest as one HTML file that needs nothing else: charts, and the table of every task.

The charting library stands in the file itself, and the page forbids the browser to load anything from anywhere.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import plotly.graph_objects as go
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
    return _PAGE.format(
        summary=_summary(plan, results),
        table=_table(results),
        options="".join(f"<option value='{i}'>{html.escape(str(result.task))}</option>" for i, result in enumerate(tested)),
        charts=_in_script(json.dumps(charts)),
        library=get_plotlyjs(),
    )


def _summary(plan: Plan, results: Sequence[Result]) -> str:
    scores = [result.scores for result in results if result.scores is not None]
    facts = {
        "tasks tested": f"{len(scores)} of {len(results)}",
        "not worse than the baseline (ratio ≤ 1)": sum(score.ratio <= 1 for score in scores),
        f"better beyond noise (DM > {BETTER})": sum(score.dm > BETTER for score in scores),
        "trained until": _date(plan.train_until_ms) or "the newest fifth of each record",
        "tested until": _date(plan.test_until_ms) or "the end of the record",
        "trained anew": f"every {plan.refit}" if plan.refit else "never",
    }
    return "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd></div>" for name, value in facts.items())


def _date(time_ms: int | None) -> str:
    return "" if time_ms is None else datetime.fromtimestamp(time_ms / SECOND_MS, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _table(results: Sequence[Result]) -> str:
    head = "".join(f"<th>{name}</th>" for name in SHOWN)
    return f"<thead><tr>{head}</tr></thead><tbody>{''.join(map(_row, results))}</tbody>"


def _row(result: Result) -> str:
    row = result.to_row() | _narrower(result)
    if result.problem:
        named = "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in FIELDS[:6])
        return f"<tr>{named}<td class='problem' colspan='{len(SHOWN) - 6}'>{html.escape(result.problem)}</td></tr>"
    mark = " class='better'" if result.scores is not None and result.scores.dm > BETTER else ""
    return f"<tr{mark}>{''.join(f'<td>{html.escape(_shown(row[name]))}</td>' for name in SHOWN)}</tr>"


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


def _in_script(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c")


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Backtest</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #0f172a; background: #f8fafc; margin: 0 auto; padding: 24px;
 max-width: 1280px }}
h1, h2 {{ font-weight: 600 }} h1 {{ font-size: 24px }} h2 {{ font-size: 18px; margin: 32px 0 12px }}
dl {{ display: flex; flex-wrap: wrap; gap: 12px; margin: 0 }} dt {{ color: #64748b; font-size: 13px }}
dd {{ margin: 0; font-size: 18px }}
dl div, .chart, .scroll {{ background: white; border: 1px solid #e2e8f0; border-radius: 8px; padding: 10px 14px }}
.grid {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(480px, 1fr)); gap: 12px; margin-top: 12px }}
.chart {{ padding: 4px; min-width: 0 }} .scroll {{ overflow-x: auto; padding: 0 }}
table {{ border-collapse: collapse; font-size: 13px; width: 100% }}
th, td {{ padding: 5px 9px; text-align: right; white-space: nowrap; border-bottom: 1px solid #e2e8f0 }}
th:nth-child(-n+6), td:nth-child(-n+6) {{ text-align: left }} th {{ color: #64748b; font-weight: 500 }}
tr.better td {{ background: #f0fdf4 }} td.problem {{ text-align: left; color: #b45309 }}
select {{ font: inherit; padding: 6px 10px; border: 1px solid #cbd5e1; border-radius: 6px; background: white; max-width: 100% }}
</style></head><body>
<h1>Backtest</h1>
<dl>{summary}</dl>
<h2>Every task</h2>
<p>Green: better than the baseline beyond noise. A dash: the figure does not exist.</p>
<div class="scroll"><table>{table}</table></div>
<h2>All tasks together</h2>
<div class="chart" id="overview-0"></div>
<div class="chart" id="overview-1" style="margin-top: 12px"></div>
<h2>One task</h2>
<select id="choice" aria-label="Cell">{options}</select>
<div class="grid"><div class="chart" id="task-0"></div><div class="chart" id="task-1"></div>
<div class="chart" id="task-2"></div><div class="chart" id="task-3"></div></div>
<script type="application/json" id="charts">{charts}</script>
<script>{library}</script>
<script>
const charts = JSON.parse(document.getElementById("charts").textContent);
const draw = (place, figures) => figures.forEach((figure, i) =>
  Plotly.react(place + "-" + i, figure.data, figure.layout, {{responsive: true, displaylogo: false}}));
const choice = document.getElementById("choice");
const show = () => charts.tasks.length && draw("task", charts.tasks[choice.value]);
draw("overview", charts.overview);
choice.addEventListener("change", show);
show();
</script></body></html>
"""
