"""What the process that serves holds while it answers two hundred thousand requests: of every kind, well formed or not.

Nothing changes beneath it but the minute, so whatever grows with the number of requests is kept from them. The yardstick is what it
holds once every thread has worked and every buffer has grown.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.load import worker_on
from benchmarks.serving import free_port, served
from node.clock import SystemClock
from node.logs import configure_logs
from tests.inference.conftest import BTC_10M, Node
from tests.support.held import Held
from tests.support.http_clients import Clients
from tests.support.http_load import INTERVALS, NUMBER, every_path

WARM_UP = 5_000
REQUESTS = 200_000
SHARES = (0.1, 0.5, 1.0)
MOST_MEGABYTES = 4.0


def main() -> None:
    configure_logs("benchmark", "error")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="allora-bench-") as folder:
        node = Node(Path(folder), [3], SystemClock().now_ms())
        node.write_config([3], inference={"staleAfter": "60m"})
        node.fill(BTC_10M, intervals=INTERVALS)
        port = free_port()
        environment = node.environment(port) | {"LOG_LEVEL": "error"}
        with served([sys.executable, "-m", "inference"], port, environment, NUMBER):
            worker = worker_on(port)
            started = time.monotonic()
            with Clients(port, every_path()) as clients:
                clients.wait_for(WARM_UP)
                held = [("warm", Held.by(worker))]
                for share in SHARES:
                    clients.wait_for(WARM_UP + round(share * REQUESTS))
                    held.append((f"{share:.0%}", Held.by(worker)))
            seconds = time.monotonic() - started
        node.engine.dispose()

    table = Table(title=f"{REQUESTS:,} requests of {len(every_path())} clients")
    for name in ("requests", "MB", "threads", "descriptors"):
        table.add_column(name, justify="right")
    for when, now in held:
        table.add_row(when, f"{now.megabytes:.1f}", str(now.threads), str(now.descriptors))
    console.print(table)
    outcome = clients.outcome
    console.print(
        f"{len(outcome.latencies) / seconds:,.0f} requests/s; refused {dict(outcome.refused)}, other {dict(outcome.failed)}"
    )
    grown = held[-1][1].megabytes - held[0][1].megabytes
    decision = "reached" if grown <= MOST_MEGABYTES else "missed"
    console.print(f"goal: no more than {MOST_MEGABYTES:.0f} MB more at the end: {decision} ({grown:+.1f})")


if __name__ == "__main__":
    main()
