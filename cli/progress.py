"""How a long command says how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

NEEDED_WIDTH = 240


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Gives a function to call with a line for each of `total` parts done.

    A bar on a terminal, plain numbered lines otherwise; both on stderr, so that what the command prints can be redirected.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        done = 0

        def say(line: str) -> None:
            nonlocal done
            done += 1
            typer.echo(f"[{done}/{total}] {line}", err=True)

        typer.echo(f"{total} {what}", err=True)
        yield say
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total)

        def advance(line: str) -> None:
            bar.console.print(line, highlight=False, markup=False)
            bar.advance(task)

        yield advance


@contextmanager
def amounts(what: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function to call with how much there is and how much is wanted: a bar on a terminal, a line at the end otherwise."""
    console = Console(stderr=True)
    if not console.is_terminal:
        seen = (0, 0)

        def note(have: int, want: int) -> None:
            nonlocal seen
            seen = have, want

        yield note
        typer.echo(f"{what}: {seen[0]} of {seen[1]}", err=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=None)
        yield lambda have, want: bar.update(task, completed=have, total=want)


def as_wide_as_needed() -> Console:
    """The terminal as wide as it is; in a file or a pipe, wide enough for whole tables."""
    console = Console()
    return console if console.is_terminal else Console(width=NEEDED_WIDTH)


def print_table(table: Table) -> None:
    """Whole, wherever it goes."""
    as_wide_as_needed().print(table)
