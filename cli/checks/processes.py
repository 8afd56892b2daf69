"""Checks of the running processes: what each says of itself when asked whether it is ready."""

from __future__ import annotations

from cli.checks.check_result import CheckResult, Probe, State, failed, ok
from cli.context import Place
from cli.process_api import addresses, ask_json
from node.health import READY_PATH

START = "Start the node: make run, or docker compose up"
SECONDS = 5.0


def probes(place: Place) -> dict[str, Probe]:
    """One look for each process."""
    return {name: lambda name=name, url=url: _process(name, url) for name, url in addresses(place).items()}  # type: ignore[misc]


def _process(name: str, url: str) -> list[CheckResult]:
    answer = ask_json(url + READY_PATH, SECONDS)
    if answer is None:
        return [CheckResult(name, State.NOT_YET, f"nobody answers at {url}", START)]
    status, body = answer
    checks = body.get("checks") if isinstance(body, dict) else None
    if not isinstance(checks, list):
        return failed(name, f"{url} is something else than this node's {name}", "Is its port taken by another program?")
    if status == 200:
        return ok(name, "ready")
    bad = [check for check in checks if not check["ok"]]
    return [
        CheckResult(f"{name}: {check['name']}", State.FAILED, check["detail"], check["hint"] or f"The log of {name} says more.")
        for check in bad
    ]
