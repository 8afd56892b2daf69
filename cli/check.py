"""`allora-node check`: look at everything the node needs, and say what mends what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from cli.checks.finding import Finding, Look, State, look_at_all, ok
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
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        _show(console, found)
    bad = {State.FAILED, State.NOT_YET} if strict else {State.FAILED}
    raise typer.Exit(1 if any(finding.state in bad for finding in found) else 0)


def _look(place: Place, seconds: float) -> list[Finding]:
    looks: dict[str, Look] = {}
    skipped = []
    for names, room in ROOMS.items():
        try:
            looks |= room(place)
        except ModuleNotFoundError as error:
            skipped.append(Finding(names, State.SKIPPED, f"{error.name} is not installed here"))
    return [*look_at_all(looks, seconds), *skipped]


def _storage(place: Place) -> dict[str, Look]:
    from cli.checks.storage import looks

    return looks(place)


def _market(place: Place) -> dict[str, Look]:
    from cli.checks.market import looks

    return looks(place)


def _models(place: Place) -> dict[str, Look]:
    from cli.checks.models import looks

    return looks(place)


def _processes(place: Place) -> dict[str, Look]:
    from cli.checks.processes import looks

    return looks(place)


def _chain(place: Place) -> dict[str, Look]:
    from cli.checks.chain import looks

    return looks(place)


ROOMS: Final[dict[str, Callable[[Place], dict[str, Look]]]] = {
    "database and disk": _storage,
    "exchange, clock and pairs": _market,
    "model store": _models,
    "processes": _processes,
    "wallet, chain and balance": _chain,
}
"""What is looked at by what may be missing here: a container has the packages of its own work alone."""


def _show(console: Console, found: list[Finding]) -> None:
    width = max(len(finding.name) for finding in found)
    for finding in found:
        mark, colour = MARKS[finding.state]
        console.print(f"[{colour}]{mark}[/{colour}] {escape(finding.name):<{width}}  {escape(_said(finding))}", soft_wrap=True)
        if finding.hint and finding.state is not State.OK:
            console.print(f"  {'':<{width}}  [dim]→[/dim] {escape(finding.hint)}", soft_wrap=True)
    failed, waiting = (sum(finding.state is state for finding in found) for state in (State.FAILED, State.NOT_YET))
    well = "Nothing is wrong" if not failed else f"{failed} to mend"
    console.print(f"\n{well}{f', {waiting} not there yet' if waiting else ''}.")


def _said(finding: Finding) -> str:
    state = "" if finding.state is State.OK else f"{finding.state}: "
    return state + finding.detail
