"""`python -m simulator.exchange`: start the simulated exchange."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from aiohttp import web

from node.clock import SystemClock
from node.parent_watchdog import follow_named
from simulator.exchange.app import SimulatedExchange
from simulator.exchange.candles import Market
from simulator.exchange.failures import NAMES, Failures
from simulator.exchange.replay import RecordedMarket
from simulator.exchange.synthetic import SyntheticMarket


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; exit code 2 if the arguments cannot be served."""
    parser = argparse.ArgumentParser(prog="python -m simulator.exchange", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--seed", type=int, default=1, help="of the made-up market")
    parser.add_argument("--days", type=int, default=200, help="of made-up past")
    parser.add_argument("--candles", type=Path, metavar="DIR", help="replay the Parquet files there instead")
    parser.add_argument("--fail", action="append", default=[], choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    arguments = parser.parse_args()
    follow_named()
    clock = SystemClock()
    try:
        market: Market = (
            RecordedMarket(arguments.candles, clock.now_ms())
            if arguments.candles
            else SyntheticMarket(arguments.seed, arguments.days)
        )
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    failures = Failures(clock)
    for name in arguments.fail:
        failures.start(name)
    exchange = SimulatedExchange(market, clock, failures)
    address = f"http://{arguments.host}:{arguments.port}"
    print(f"simulated exchange on {address}: {market.description}", flush=True)
    try:
        web.run_app(
            exchange.application(), host=arguments.host, port=arguments.port, print=None, access_log=None, shutdown_timeout=0.5
        )
    except OSError as error:
        print(f"error: cannot listen on {address}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
