"""The alert rules, played by Prometheus's own tester against what real processes showed (see recorder.py).

A recording lasts minutes and some alerts wait for an hour, so what a trouble looked like in the end is held for as long as it
takes.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.system.monitoring.recorder import SCENARIOS, STEP_SECONDS
from tests.system.monitoring.registries import metrics_of, registries
from tests.system.monitoring.test_metrics import ALERTS, OF_PROMETHEUS, ROOT

RECORDINGS = Path(__file__).parent / "recordings"
HELD_MINUTES = 120
FIRING = 'group by (alertname) (ALERTS{alertstate="firing"})'
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing: apt-get install prometheus")

EXPECTED = {
    "normal": set(),
    "exchange_down": {"NoFreshCandle", "SubmissionsFailing"},
    "exchange_bans": {"ExchangeBansUs"},
    "exchange_refuses": {"ExchangeBansUs"},
    "no_champion": {"NoChampion", "ProcessDown", "SubmissionsFailing"},
    "skill_lost": {"SkillBelowLine"},
    "submissions_failing": {"ProcessDown", "SubmissionsFailing"},
    "unit_suspected": {"SubmissionsFailing", "UnitSuspected"},
    "chain_lost": {"ChainLost"},
    "low_balance": {"BalanceLow"},
    "disk_full": {"DiskNearlyFull"},
    "updater_down": {"ProcessDown"},
    "worker_down": {"ProcessDown"},
}


def recorded(name: str) -> dict[str, list[Any]]:
    series: dict[str, list[Any]] = json.loads((RECORDINGS / f"{name}.json").read_text())["series"]
    return series


def values_of(samples: list[Any], steps: int) -> str:
    """As promtool reads them: the last one is held until there are `steps` of them."""
    said = []
    for before, sample in zip([None, *samples], samples, strict=False):
        said.append(("_" if before is None else "stale") if sample is None else str(sample))
    last = "_" if samples[-1] is None else str(samples[-1]).removesuffix(".0")
    return " ".join([*said, f"_x{steps}" if last == "_" else f"{last}+0x{steps}"])


def play(folder: Path, series: dict[str, list[Any]], expected: dict[float, set[str]]) -> str:
    """What promtool finds wrong with the alerts that fire at each time in seconds; empty if nothing."""
    steps = HELD_MINUTES * 60 // STEP_SECONDS
    tests = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": f"{STEP_SECONDS}s",
        "tests": [
            {
                "interval": f"{STEP_SECONDS}s",
                "input_series": [{"series": name, "values": values_of(samples, steps)} for name, samples in series.items()],
                "promql_expr_test": [
                    {
                        "expr": FIRING,
                        "eval_time": f"{round(seconds)}s",
                        "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(alerts)],
                    }
                    for seconds, alerts in expected.items()
                ],
            }
        ],
    }
    file = folder / "tests.json"  # JSON is YAML
    file.write_text(json.dumps(tests))
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(file)], check=False, capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def length(series: dict[str, list[Any]]) -> int:
    return len(next(iter(series.values())))


def end_of(series: dict[str, list[Any]]) -> float:
    """Seconds from the first scrape to the last moment for which it is held."""
    return (length(series) - 1) * STEP_SECONDS + HELD_MINUTES * 60


def test_every_scenario_is_recorded_and_every_alert_has_one() -> None:
    rules = set(re.findall(r"- alert: (\w+)", ALERTS.read_text()))
    assert set().union(*EXPECTED.values()) == rules
    assert EXPECTED.keys() == SCENARIOS.keys() == {path.stem for path in RECORDINGS.glob("*.json")}


@pytest.mark.parametrize("name", EXPECTED)
def test_recordings_hold_only_metrics_that_the_processes_show(name: str, tmp_path: Path) -> None:
    shown = {series for registry in registries(tmp_path).values() for metric in metrics_of(registry) for series in metric.series}
    named = {series.partition("{")[0] for series in recorded(name)}
    assert named <= shown | OF_PROMETHEUS
    used = set(re.findall(r"\ballora_\w+", "\n".join(re.findall(r"^        expr: (.*)$", ALERTS.read_text(), re.MULTILINE))))
    optional = {"allora_inference_live_skill", "allora_inference_live_judged", "allora_worker_unit_suspected"}
    assert used - optional <= named


@needs_promtool
def test_prometheus_accepts_the_rules_and_its_configuration() -> None:
    for command, file in ((["check", "rules"], ALERTS), (["check", "config"], ROOT / "deploy/prometheus/prometheus.yml")):
        done = subprocess.run([str(PROMTOOL), *command, str(file)], check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


@needs_promtool
def test_no_alert_fires_in_normal_running(tmp_path: Path) -> None:
    series = recorded("normal")
    every_minute = {float(second): set[str]() for second in range(0, round(end_of(series)), 60)}
    assert play(tmp_path, series, every_minute) == ""


@needs_promtool
@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "normal"])
def test_the_right_alerts_fire_in_trouble_and_none_before(name: str, tmp_path: Path) -> None:
    series = recorded(name)
    assert play(tmp_path, series, {float(STEP_SECONDS): set(), end_of(series): EXPECTED[name]}) == ""


@needs_promtool
def test_an_alert_that_should_not_have_fired_is_found(tmp_path: Path) -> None:
    series = recorded("low_balance")
    assert "BalanceLow" in play(tmp_path, series, {end_of(series): set()})
