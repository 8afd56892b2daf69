"""`make month`: a month as long and as troubled as SEED, DAYS and STEP (minutes), from the environment, say."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.system.chaos.invariants import BrokenInvariantError
from tests.system.month.month import Month, Plan


def main() -> int:
    """Exit code 1 with the newest lines of the log if a promise was broken."""
    given = {name: os.environ.get(name, usual) for name, usual in (("SEED", "1"), ("DAYS", "30"), ("STEP", "60"))}
    plan = Plan(seed=int(given["SEED"]), days=float(given["DAYS"]), step_minutes=int(given["STEP"]))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        month = Month(Path(folder), plan)
        try:
            month.run(lambda line: print(line, flush=True))
        except BrokenInvariantError as error:
            print("\n".join(month.journal.lines), file=sys.stderr)
            print(f"BROKEN with SEED={plan.seed} DAYS={plan.days:g} STEP={plan.step_minutes}: {error}", file=sys.stderr)
            return 1
    _show("answers", month.inspector.statuses)
    _show("ledger", Counter({"kept": month.inspector.kept}))
    _show("windows", month.inspector.outcomes)
    _show("trainings", month.journal.trainings)
    _show("faults", month.journal.faults)
    print(f"digest {month.digest}")
    print(f"{plan.days:g} days in {time.monotonic() - started:.0f} seconds, no promise broken")
    return 0


def _show(what: str, counts: Counter[str]) -> None:
    for name, count in counts.most_common():
        print(f"{what:10} {name:28} {count:7,}")
        what = ""


if __name__ == "__main__":
    sys.exit(main())
