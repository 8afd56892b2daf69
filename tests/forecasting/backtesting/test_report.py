"""The report is one page that asks nobody for anything."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from forecasting.backtesting.chart_data import Curves, curves_of
from forecasting.backtesting.report import report_of
from forecasting.backtesting.tasks import FIELDS, BacktestTask, Plan, Result, figures_of
from forecasting.evaluation.forecast_series import ForecastSeries
from node.durations import HOUR_MS, MINUTE_MS, Duration, Interval
from node.topics import Target

TASK = BacktestTask("BTC", Target.PRICE, Duration.parse("5m"), Interval.MINUTE, "birnn", "mse")


def walk_of(count: int, skill: float = 0.3) -> ForecastSeries:
    noise = np.random.default_rng(0)
    actual = noise.normal(size=count) * 1e-3
    zeros, ones = np.zeros(count), np.full(count, 1e-3)
    forecast = skill * actual + skill * noise.normal(size=count) * 1e-4
    return ForecastSeries(np.arange(count) * MINUTE_MS, actual, forecast, zeros, ones, 5)


def result_of(walk: ForecastSeries) -> Result:
    scores = walk.score("mse")
    return Result(TASK, 1.5, scores, figures_of(scores), curves_of(walk, "mse"), fits=1)


@pytest.fixture(scope="module")
def page() -> str:
    missing = Result(replace(TASK, token="SOL"), 0.1, problem="there are no <1m> candles of SOL")
    return report_of(Plan(folders=(), train_until_ms=0), [result_of(walk_of(2_000)), result_of(walk_of(500, 0.0)), missing])


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    own = page.replace(get_plotlyjs(), "")
    assert len(own) < 0.1 * len(page)
    assert "http:" not in own.replace("http-equiv", "")
    assert "https:" not in own
    assert not re.search(r"<(link|iframe|img|object|embed)|src=|@import|url\(", own)
    assert "default-src 'none'" in own


def test_every_task_stands_in_the_table_and_every_field_in_its_head(page: str) -> None:
    head = re.findall(r"<th>(\w+)</th>", page)
    assert [name for name in head if name in FIELDS] == list(FIELDS)
    assert {"coverage_50", "coverage_80"} == set(head) - set(FIELDS)
    assert "there are no &lt;1m&gt; candles of SOL" in page
    assert "2 of 3" in page


def test_every_tested_task_has_its_charts(page: str) -> None:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.S)
    assert found
    charts = json.loads(found[1])
    assert len(charts["tasks"]) == 2
    for figures in charts["tasks"]:
        titles = [figure["layout"]["title"]["text"] for figure in figures]
        assert [title.split()[0] for title in titles] == ["Loss", "Forecast", "Calibration:", "Worst"]
    assert len(charts["overview"]) == 2


def test_text_from_outside_is_never_markup() -> None:
    nasty = Result(replace(TASK, token="<b>BTC"), 0.1, problem="</script><script>alert(1)</script>")
    named = replace(result_of(walk_of(500)), task=replace(TASK, model="</script><i>"))
    page = report_of(Plan(folders=()), [nasty, named]).replace(get_plotlyjs(), "")
    assert "<b>" not in page
    assert "<i>" not in page
    assert page.count("<script") == page.count("</script>") == 3
    assert "alert(1)" in page


def test_equity_ends_at_the_skill(page: str) -> None:
    walk = walk_of(2_000)
    curves = curves_of(walk, "mse")
    assert curves.equity[-1] == pytest.approx(walk.score("mse").skill, rel=1e-4)
    assert len(curves.times) == len(curves.equity) <= 400
    assert curves.times[-1] == walk.times[-1]


def test_a_forecaster_with_skill_is_calibrated_upwards_and_one_without_has_no_bins() -> None:
    curves = curves_of(walk_of(2_000), "mse")
    assert curves.bin_said == sorted(curves.bin_said)
    assert curves.bin_came[0] < 0 < curves.bin_came[-1]
    assert curves_of(walk_of(500, 0.0), "mse").bin_said == []


def test_the_worst_hour_is_the_one_of_the_crash() -> None:
    walk = walk_of(2_000)
    crashed = walk.actual.copy()
    crashed[1_234] = -0.5
    curves: Curves = curves_of(replace(walk, actual=crashed), "mse")
    worst = curves.worst_hours[0]
    assert worst.open_time == 1_234 * MINUTE_MS // HOUR_MS * HOUR_MS
    assert worst.loss > 0.5
    assert len(curves.worst_hours) == 10
