"""What the documents, the alerts and the dashboard say of metrics is what the processes show."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from node.config import Config
from node.environment import Settings
from tests.support.paths import ROOT
from tests.system.monitoring.registries import Metric, metrics_of, registries, table

ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/node.json"
OF_PROMETHEUS = {"up", "ALERTS"}
BOUNDED = {"symbol", "interval", "code", "topic", "outcome", "remedy", "exchange", "folder", "route", "status", "reason", "way"}
"""By config.json, or by the words of the code."""

_WORDS = re.compile(r'"[^"]*"|[a-zA-Z_:][a-zA-Z0-9_:]*')


@pytest.fixture
def metrics(tmp_path: Path) -> dict[str, list[Metric]]:
    return {process: metrics_of(registry) for process, registry in registries(tmp_path).items()}


@pytest.fixture
def series(metrics: dict[str, list[Metric]]) -> set[str]:
    return {name for found in metrics.values() for metric in found for name in metric.series} | OF_PROMETHEUS


def names_in(query: str) -> set[str]:
    """Metrics that a query names."""
    words = {word for word in _WORDS.findall(query) if not word.startswith('"')}
    return {word for word in words if word in OF_PROMETHEUS or word.startswith("allora_")}


def queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]] + [
        annotation["expr"] for annotation in dashboard["annotations"]["list"]
    ]


@pytest.mark.parametrize("process", ["updater", "inference", "worker"])
def test_every_metric_is_documented_as_it_is(process: str, metrics: dict[str, list[Metric]]) -> None:
    documented = (ROOT / "docs/metrics.md").read_text()
    assert table(process, metrics[process]) in documented, f"docs/metrics.md should say:\n{table(process, metrics[process])}"


def test_no_metric_is_documented_that_does_not_exist(metrics: dict[str, list[Metric]]) -> None:
    documented = re.findall(r"^\| `(allora_\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(metric.name for found in metrics.values() for metric in found)


def test_names_say_the_process_and_labels_are_bounded(metrics: dict[str, list[Metric]]) -> None:
    for process, found in metrics.items():
        for metric in found:
            assert metric.name.startswith(f"allora_{process}_")
            assert set(metric.labels) <= BOUNDED or metric.name.endswith("_build_info")
            assert metric.help


def test_every_alert_is_documented_with_its_severity() -> None:
    rules = re.findall(r"- alert: (\w+)\n.*?severity: (\w+)", ALERTS.read_text(), re.DOTALL)
    documented = re.findall(r"^\| `(\w+)` \| .* \| (critical|warning) \|$", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    assert len(rules) >= 8
    assert documented == rules


def test_alerts_name_only_metrics_that_exist(series: set[str]) -> None:
    expressions = re.findall(r"^        expr: (.*)$", ALERTS.read_text(), re.MULTILINE)
    assert len(expressions) >= 8
    for expression in expressions:
        assert names_in(expression), expression
        assert names_in(expression) <= series, expression


def test_alerts_name_only_keys_and_variables_that_exist() -> None:
    text = ALERTS.read_text()
    for section, key in re.findall(r"\b(updater|inference|wallet)\.([a-z]+[A-Z]\w+)", text):
        fields = getattr(Config.model_fields[section].annotation, "model_fields")  # noqa: B009 - mypy knows no annotation's type
        assert key in {field.alias for field in fields.values()}, key
    variables = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", text))
    assert variables >= {"EXCHANGE_URLS"}
    assert variables <= {name.upper() for name in Settings.model_fields}


def test_the_dashboard_asks_only_for_metrics_that_exist_and_keeps_its_address(series: set[str]) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["uid"] == "allora-node"
    assert len(queries(dashboard)) > 10
    for query in queries(dashboard):
        assert names_in(query), query
        assert names_in(query) <= series, query


def test_the_dashboard_reads_from_the_datasource_that_is_provisioned_and_explains_every_panel() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    provisioned = (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    uid = re.search(r"uid: (\S+)", provisioned)
    assert uid
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {uid[1]}
    assert all(panel["title"] and panel["description"] for panel in dashboard["panels"])
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        tasks = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not tasks & taken
        assert max(x for x, _ in tasks) < 24
        taken |= tasks


def test_prometheus_looks_where_compose_puts_the_processes() -> None:
    scraped = re.findall(r'targets: \["(\w+):(\d+)"\]', (ROOT / "deploy/prometheus/prometheus.yml").read_text())
    fields = Settings.model_fields
    ports = {name: str(fields[f"{name}_port"].default) for name in ("updater", "inference", "worker")}
    assert dict(scraped) == ports
    compose = (ROOT / "docker-compose.yml").read_text()
    assert all(re.search(rf"^  {name}:$", compose, re.MULTILINE) for name in ports)
    assert "./deploy/prometheus:/etc/prometheus" in compose
