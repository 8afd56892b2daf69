"""`python -m simulator.chain`: start the simulated chain."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Final

from node.clock import SystemClock
from node.config import ConfigFile
from node.environment import load_settings
from node.errors import ConfigError
from node.parent_watchdog import follow_named
from node.start import end_signals, exit_for
from simulator.chain.faults import Faults
from simulator.chain.others import OtherWorkers, exchange_prices
from simulator.chain.server import SimulatedChain
from simulator.chain.state import ChainState, Submission
from simulator.chain.topics import OLDER_QUERY, ChainTopic, Measure, configured, in_seconds, numbered

CONFIG_SECONDS: Final = 1.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator.chain", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9200, help="of gRPC")
    parser.add_argument("--http-port", type=int, default=9201, help="of /websocket, /ledger and /faults")
    parser.add_argument("--topics", help="numbers separated by commas; default: those of config.json")
    parser.add_argument("--block-seconds", type=float, default=1.0)
    parser.add_argument("--window-blocks", type=int, default=12, help="how long a submission window stays open")
    parser.add_argument("--epoch-blocks", type=int, default=12, help="a window of each topic opens this often")
    parser.add_argument("--chain-id", default="localnet")
    parser.add_argument("--fault-share", type=float, default=0.0, help="share of transactions that a random fault befalls")
    parser.add_argument("--seed", type=int, default=1, help="of the random faults")
    parser.add_argument(
        "--windows", choices=[measure.value for measure in Measure], default=Measure.BLOCKS.value,
        help="in what epochs and windows are measured: as today, or as by the chain's open changes",
    )  # fmt: skip
    parser.add_argument("--exchange", metavar="URL", help="simulated exchange whose minutes other workers answer from")
    parser.add_argument("--others", type=int, default=5, help="number of other workers; none without --exchange")
    parser.add_argument("--others-factor", type=float, default=1.0, help="by what their answers are multiplied")
    return parser


def _topics(arguments: argparse.Namespace, config: ConfigFile | None) -> list[ChainTopic]:
    if arguments.epoch_blocks < 1 or arguments.window_blocks < 1 or arguments.block_seconds <= 0:
        raise ConfigError("blocks, windows and epochs must be positive")
    topics = _described(arguments, config)
    if arguments.windows == Measure.SECONDS:
        in_seconds(topics, arguments.block_seconds)
    return topics


def _described(arguments: argparse.Namespace, config: ConfigFile | None) -> list[ChainTopic]:
    if config is not None:
        return configured(config.current.topics("http://localhost"), arguments.epoch_blocks, arguments.window_blocks)
    try:
        numbers = [int(number) for number in arguments.topics.split(",")]
    except ValueError:
        raise ConfigError(f"--topics {arguments.topics!r} must be numbers separated by commas, such as 1,3") from None
    return numbered(numbers, "testnet", arguments.epoch_blocks, arguments.window_blocks)


def _report(entry: Submission, number: int) -> None:
    blocks = entry.height - entry.nonce
    print(
        f"accepted {number}: topic {entry.topic_id} nonce {entry.nonce} value {entry.value}"
        f" in block {entry.height} (+{blocks}) from {entry.worker[:12]}…",
        flush=True,
    )


async def _serve(chain: SimulatedChain, follow_config: Callable[[], None]) -> None:
    stop = asyncio.Event()
    for number in end_signals():
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await chain.start()
    numbers = ", ".join(str(number) for number in chain.state.topics)
    print(f"simulated chain on grpc+http://{chain.host}:{chain.port}, http port {chain.http_port}: topics {numbers}", flush=True)
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), CONFIG_SECONDS)
        follow_config()
    await chain.stop()
    print(f"accepted {len(chain.state.submissions)}, refused {len(chain.state.refused)}", flush=True)


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; exit code 2 if the arguments cannot be served."""
    arguments = _parser().parse_args()
    follow_named()
    try:
        config = None if arguments.topics else ConfigFile(load_settings().config_file)
        topics = _topics(arguments, config)
    except ConfigError as error:
        exit_for(error)
    state = ChainState(
        topics={topic.id: topic for topic in topics},
        chain_id=arguments.chain_id,
        faults=Faults(arguments.fault_share, arguments.seed),
        unknown_methods={OLDER_QUERY} if arguments.windows == Measure.SECONDS else set(),
    )
    others = None
    if arguments.exchange:
        prices = exchange_prices(arguments.exchange.rstrip("/"))
        others = OtherWorkers(arguments.others, prices, arguments.others_factor, arguments.seed)
    chain = SimulatedChain(
        state,
        SystemClock(),
        host=arguments.host,
        port=arguments.port,
        http_port=arguments.http_port,
        block_seconds=arguments.block_seconds,
        on_submission=_report,
        others=others,
    )

    def follow_config() -> None:
        """Topics that are added to config.json come to exist; none ceases to."""
        if config is not None and config.changed():
            state.topics = {topic.id: topic for topic in _topics(arguments, config)} | state.topics

    try:
        asyncio.run(_serve(chain, follow_config))
    except OSError as error:
        print(f"error: cannot listen on {arguments.host}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
