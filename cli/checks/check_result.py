"""One thing that was looked at, and the means to look at many at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from node.errors import NodeError


class State(StrEnum):
    """How a thing was found. `NOT_YET` is well for a node that was not started, `SKIPPED` says nothing either way."""

    OK = "ok"
    FAILED = "failed"
    NOT_YET = "not yet"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A named check, what was found, and what mends it."""

    name: str
    state: State
    detail: str = ""
    hint: str = ""


Probe = Callable[[], list[CheckResult]]


def ok(name: str, detail: str = "") -> list[CheckResult]:
    """The whole result of a look that found everything well."""
    return [CheckResult(name, State.OK, detail)]


def failed(name: str, detail: str, hint: str) -> list[CheckResult]:
    """The whole result of a look that found a fault."""
    return [CheckResult(name, State.FAILED, detail, hint)]


def run_all(probes: Mapping[str, Probe], seconds: float) -> Iterator[CheckResult]:
    """Everything that is found, in the order of `probes`, all of which begin at once; one that takes longer has failed."""
    found: dict[str, list[CheckResult]] = {}

    def run(name: str, look: Probe) -> None:
        found[name] = _safely(name, look)

    # Daemons, so that one that hangs does not keep the command from ending.
    threads = {name: threading.Thread(target=run, args=(name, look), daemon=True) for name, look in probes.items()}
    deadline = time.monotonic() + seconds
    for thread in threads.values():
        thread.start()
    for name, thread in threads.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        late = failed(
            name, f"no result within {seconds:g} s", "Try again with a longer --timeout; if it stays so, look there first."
        )
        yield from found.get(name, late)


def _safely(name: str, look: Probe) -> list[CheckResult]:
    try:
        return look()
    except NodeError as error:
        return failed(name, error.message, error.hint)
    except Exception as error:
        return failed(name, f"{type(error).__name__}: {error}", "This should not happen: run with --debug and report it.")
