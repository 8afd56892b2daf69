"""`allora-node check`: look at everything the node needs, and say what mends what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from cli.checks.check_result import CheckResult, Probe, State, ok, run_all
from cli.context import Place, find_node

MARKS: Final = {
    State.OK: ("✓", "green"), State.FAILED: ("✗", "red"), State.NOT_YET: ("…", "yellow"), State.SKIPPED: ("–", "dim"),
}  # fmt: skip


def check(
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that each check may take; they run at the same time.")] = 20.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="What is not there yet counts as a failure: for a node that should run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is well with this node, what is not, and how to mend it.

    Looks at config.json, database, disk, exchange, clock, models, the three processes, wallet, chain, balance and topics, whether
    the node runs or not. Exit code 0 if nothing failed, 1 if something did, 2 if config.json is wrong.

    Examples:

      allora-node check                  before the first start: what is "not yet" comes with it

      allora-node check --strict         from cron: silent troubles become an exit code

      allora-node check --json           [{"name": "database", "state": "ok", "detail": …, "hint": …}, …]
    """
    place = find_node()
    mode = "submitting" if place.config.wallet.submit_tx else "dry run"
    found = ok(
        "config",
        f"{place.settings.config_file}: {place.config.network}, {len(place.topics)} topic{'s' * (len(place.topics) > 1)}, {mode}",
    )
    console = Console(highlight=False)
    with Console(stderr=True).status("looking at everything …"):
        found += _look(place, timeout)
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in found], indent=2))
    else:
        _show(console, found)
    bad = {State.FAILED, State.NOT_YET} if strict else {State.FAILED}
    raise typer.Exit(1 if any(result.state in bad for result in found) else 0)


def _look(place: Place, seconds: float) -> list[CheckResult]:
    probes: dict[str, Probe] = {}
    skipped = []
    for names, room in ROOMS.items():
        try:
            probes |= room(place)
        except ModuleNotFoundError as error:
            skipped.append(CheckResult(names, State.SKIPPED, f"{error.name} is not installed here"))
    return [*run_all(probes, seconds), *skipped]


def _storage(place: Place) -> dict[str, Probe]:
    from cli.checks.storage import probes

    return probes(place)


def _market(place: Place) -> dict[str, Probe]:
    from cli.checks.market import probes

    return probes(place)


def _models(place: Place) -> dict[str, Probe]:
    from cli.checks.models import probes

    return probes(place)


def _processes(place: Place) -> dict[str, Probe]:
    from cli.checks.processes import probes

    return probes(place)


def _chain(place: Place) -> dict[str, Probe]:
    from cli.checks.chain import probes

    return probes(place)


ROOMS: Final[dict[str, Callable[[Place], dict[str, Probe]]]] = {
    "database and disk": _storage,
    "exchange, clock and pairs": _market,
    "model store": _models,
    "processes": _processes,
    "wallet, chain and balance": _chain,
}
"""What is looked at by what may be missing here: a container has the packages of its own work alone."""


def _show(console: Console, found: list[CheckResult]) -> None:
    width = max(len(result.name) for result in found)
    for result in found:
        mark, colour = MARKS[result.state]
        console.print(f"[{colour}]{mark}[/{colour}] {escape(result.name):<{width}}  {escape(_said(result))}", soft_wrap=True)
        if result.hint and result.state is not State.OK:
            console.print(f"  {'':<{width}}  [dim]→[/dim] {escape(result.hint)}", soft_wrap=True)
    failed, waiting = (sum(result.state is state for result in found) for state in (State.FAILED, State.NOT_YET))
    well = "Nothing is wrong" if not failed else f"{failed} to mend"
    console.print(f"\n{well}{f', {waiting} not there yet' if waiting else ''}.")


def _said(result: CheckResult) -> str:
    state = "" if result.state is State.OK else f"{result.state}: "
    return state + result.detail
