"""`allora-node status`: the whole node on one screen."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from cli.context import Place, find_node
from cli.progress import as_wide_as_needed
from node.errors import ConfigError


def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it again and again until Ctrl-C; once where there is no terminal.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the node at a glance: its processes, every topic with its answer, model and skill, and what became of its windows.

    Asks the running processes; what cannot be reached is shown as such. Exit code 0 whatever is found; for that there is check.

    Examples:

      allora-node status --watch

      allora-node status --json | jq '.topics[] | select(.ready | not) | .reason'
    """
    from cli.status_data import view_of

    place = find_node()
    console = as_wide_as_needed()
    if as_json:
        typer.echo(json.dumps(view_of(place), indent=2))
    elif watch and console.is_terminal:
        _watch(console, place, every)
    else:
        console.print(_screen(view_of(place)))


def _watch(console: Console, place: Place, every: float) -> None:
    from cli.status_data import view_of

    with Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                with suppress(ConfigError):  # an edit of config.json that is refused leaves the last good one in force
                    place = find_node()
                live.update(_screen(view_of(place)), refresh=True)
                time.sleep(every)
        except KeyboardInterrupt:
            return


def _screen(view: dict[str, Any]) -> RenderableType:
    return Group(_head(view), _topics(view["topics"]))


def _head(view: dict[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for process in view["processes"]:
        state = (
            "[green]✓ ready[/green]"
            if process["ready"]
            else "[yellow]! not ready[/yellow]"
            if process["alive"]
            else "[red]✗ down[/red]"
        )
        problems = process["problems"]
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        said = problems[0] + more if problems else "" if process["alive"] else f"nobody answers at {process['url']}"
        grid.add_row(process["name"], state, escape(said))
    balance = view["balance_allo"]
    money = "unknown" if balance is None else f"{balance:g} ALLO"
    mode = f"submitting, balance {money}" if view["submitting"] else "dry run: nothing is sent"
    grid.add_row("network", view["network"], mode)
    return grid


def _topics(topics: list[dict[str, Any]]) -> Table:
    table = Table()
    for name in ("topic", "state", "answer", "age", "champion", "skill", "live skill", "network", "windows"):
        table.add_column(name)
    for topic in topics:
        name = f"{topic['topic_id']} {topic['model']}"
        state = "[green]✓ ready[/green]" if topic["ready"] else f"[yellow]! {escape(_why(topic))}[/yellow]"
        table.add_row(
            name, state, topic["answer"] or "–", _age(topic["age_seconds"]), topic["champion"] or "–",
            _skill(topic["skill"]), _live(topic), _network(topic), _windows(topic),
        )  # fmt: skip
    return table


def _why(topic: dict[str, Any]) -> str:
    said = topic["updater"]
    if topic["champion"] is None and said:
        have = f", {said['have']} of {said['want']} candles" if said.get("want") else ""
        return f"{said['state']}{have}"
    return str(topic["reason"]).removeprefix(f"topic {topic['topic_id']} ")


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.0f} s" if seconds < 180 else f"{seconds / 60:.0f} min"


def _skill(skill: float | None) -> str:
    return "–" if skill is None else f"{skill:+.4f}"


def _live(topic: dict[str, Any]) -> str:
    return "–" if topic["live_skill"] is None else f"{topic['live_skill']:+.4f} of {topic['judged']}"


def _network(topic: dict[str, Any]) -> str:
    """Such as `2535.9 of 5, ours × 1.00`: the median of the network's other workers, and our newest answer over it."""
    found = topic["network"] or {}
    if "median" not in found:
        return "–"
    ratio = f", ours × {found['ratio']:.3g}" if "ratio" in found else ""
    return f"{'two units? ' if found.get('suspected') else ''}{found['median']:.6g} of {found['others']:.0f}{ratio}"


def _windows(topic: dict[str, Any]) -> str:
    """Such as `12 accepted, 1 no_answer`; failures that go on stand first."""
    parts = [f"{count} {outcome}" for outcome, count in sorted(topic["windows"].items(), key=lambda item: -item[1])]
    failed = topic["failed_in_a_row"]
    return ", ".join(([f"{failed} failed in a row"] if failed else []) + parts) or "–"
