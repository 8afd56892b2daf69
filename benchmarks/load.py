"""Inference under 64 clients while champions swap a hundred times and candles arrive, beside the same clients in quiet.

At least a thousand requests fall to every swap, and none is made before the one before it is being served.

The yardstick is the same server under the same clients in the same run, with nothing changing beneath it: half of it is measured
before and half after. Not one request may fail, and every answer must be that of a version and a candle that existed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.serving import ask_once, free_port, served
from node.clock import SystemClock
from node.logs import configure_logs
from tests.inference.conftest import Node
from tests.support.held import Held
from tests.support.http_clients import Clients, Outcome
from tests.support.http_load import NUMBER, Changes

CLIENTS = 64
SWAPS = 100
CANDLE_EVERY = 5
REQUESTS = 100_000
LOOK_SECONDS = 0.05


def quiet(port: int) -> Outcome:
    with Clients(port, [NUMBER] * CLIENTS) as clients:
        clients.wait_for(REQUESTS // 2)
    return clients.outcome


def changing(port: int, changes: Changes) -> Outcome:
    with Clients(port, [NUMBER] * CLIENTS) as clients:
        for number in range(SWAPS):
            changes.swap()  # after that of `main`, whose version is number 0
            if number % CANDLE_EVERY == 0:
                changes.candle()
            while number + 1 not in changes.versions_of(Counter([read_number(port)])):
                time.sleep(LOOK_SECONDS)
            clients.wait_for((number + 1) * REQUESTS // SWAPS)
    return clients.outcome


def read_number(port: int) -> str:
    return ask_once(port, NUMBER).rpartition(b"\r\n")[2].decode()


def both(first: Outcome, second: Outcome) -> Outcome:
    return Outcome(
        first.answers + second.answers,
        first.refused + second.refused,
        first.failed + second.failed,
        first.latencies + second.latencies,
    )


def worker_on(port: int) -> int:
    """The process that serves: the youngest that holds the port, for the parent does too."""
    inodes = {
        line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines() if line.split()[1].endswith(f":{port:04X}")
    }
    holders = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(f"socket:[{inode}]" in {str(entry.readlink()) for entry in folder.iterdir()} for inode in inodes):
                holders.append(int(folder.parent.name))
        except OSError:
            continue
    return max(holders)


def main() -> None:
    configure_logs("benchmark", "error")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="allora-bench-") as folder:
        # Old at first, so that there is time for new candles; never so old that they are not answered from.
        node = Node(Path(folder), [3], SystemClock().now_ms() - 30 * 60_000)
        node.write_config([3], inference={"staleAfter": "60m"})
        changes = Changes(node)
        changes.candle()
        changes.swap()
        port = free_port()
        environment = node.environment(port) | {"LOG_LEVEL": "error"}
        with served([sys.executable, "-m", "inference"], port, environment, NUMBER):
            worker = worker_on(port)
            before = quiet(port)
            held = [Held.by(worker)]
            loaded = changing(port, changes)
            held.append(Held.by(worker))
            yardstick = both(before, quiet(port))
            held.append(Held.by(worker))
        node.engine.dispose()

    table = Table(title=f"{CLIENTS} clients: latency in milliseconds")
    for name in ("", "requests", "failed", "503", "p50", "p99", "of quiet"):
        table.add_column(name, justify="left" if not name else "right")
    quiet_p99 = float(np.percentile(yardstick.latencies, 99))
    for name, outcome in (("quiet", yardstick), (f"{SWAPS} swaps", loaded)):
        p50, p99 = np.percentile(outcome.latencies, [50, 99])
        counts = [len(outcome.latencies), outcome.failed.total(), outcome.refused.total()]
        table.add_row(name, *(f"{count:,}" for count in counts), f"{p50 * 1000:.1f}", f"{p99 * 1000:.1f}", f"{p99 / quiet_p99:.2f}")
    console.print(table)
    for when, now in zip(("before", "after the swaps", "at the end"), held, strict=True):
        console.print(f"{when}: {now.megabytes:.0f} MB, {now.descriptors} descriptors, {now.threads} threads")
    versions = changes.versions_of(loaded.answers + yardstick.answers)
    strangers = None in versions
    console.print(
        f"answers of {len(versions - {None})} versions were seen; of versions that never existed: {'some' if strangers else 'none'}"
    )
    if strangers or loaded.failed or yardstick.failed:
        raise SystemExit(f"failed: {loaded.failed + yardstick.failed}")


if __name__ == "__main__":
    main()
