"""The worker as a whole: the wallet, the chain, a worker per topic, and what the operator sees of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from node.clock import Clock, SystemClock
from node.config import Config, ConfigFile
from node.environment import Settings
from node.errors import NodeError, WalletError
from node.health import Check, StatusServer
from node.metrics import open_registry
from node.start import end_signals
from node.topics import Topic
from worker.blocks import Blocks
from worker.chain import Chain
from worker.connection import Connection, Pauses
from worker.fees import Fees
from worker.funds import Funds
from worker.inference_client import InferenceClient
from worker.metrics import Metrics
from worker.network import network_of
from worker.nonce_time import NonceTimes
from worker.sender import Sender
from worker.supervised_loop import SupervisedLoop
from worker.tools import Tools
from worker.topic import TopicWorker
from worker.transactions import Composer
from worker.wallet import load_wallet

log = structlog.get_logger("worker")

CONFIG_SECONDS: Final = 1.0
END_SECONDS: Final = 4.0
UNIT_HINT: Final = "Which side is wrong? The page docs/troubleshooting.md says how to tell."


@dataclass(slots=True)
class Running:
    """A topic at work."""

    worker: TopicWorker
    task: SupervisedLoop


@dataclass(slots=True)
class Session:
    """Everything that hangs on one wallet and one network; a change of either starts a new one."""

    tools: Tools
    topics: dict[int, Running] = field(default_factory=dict)
    tasks: list[SupervisedLoop] = field(default_factory=list)

    def opened(self, topic: int, nonce: int, end: int) -> None:
        """A window of some topic opened; others' topics are not ours to answer."""
        running = self.topics.get(topic)
        if running is not None:
            running.worker.opened(nonce, end)

    async def set_topics(self, wanted: Sequence[Topic]) -> None:
        """Start what is new, end what is gone, restart what changed, and leave the rest alone."""
        by_id = {topic.id: topic for topic in wanted}
        gone = [number for number, running in self.topics.items() if by_id.get(number) != running.worker.topic]
        ended = [self.topics.pop(number).task.task for number in gone]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        for number in gone:
            self.tools.metrics.forget_topic(number)
        for topic in wanted:
            if topic.id not in self.topics:
                worker = TopicWorker(topic, self.tools)
                self.topics[topic.id] = Running(worker, SupervisedLoop(str(topic), worker.run, self.tools.metrics))

    async def close(self) -> None:
        """End every topic first, so that what is on its way still finds the chain, then the rest."""
        ended = [running.task.task for running in self.topics.values()]
        for task in ended:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*ended, return_exceptions=True), END_SECONDS)
        others = [lasting.task for lasting in self.tasks]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.tools.times.close()
        await self.tools.inference.close()
        await self.tools.chain.close()


class Worker:
    """The process. `run` returns its exit code."""

    def __init__(self, settings: Settings, config: ConfigFile, pauses: Pauses | None = None, clock: Clock | None = None) -> None:
        self._settings = settings
        self._config = config
        self._pauses = pauses or Pauses()
        self._clock = clock or SystemClock()
        self._session: Session | None = None
        self.registry = open_registry("worker")
        self._metrics = Metrics(self.registry)

    def run(self, stop: threading.Event | None = None) -> int:
        """Work until one of the signals to end comes, or until `stop` is set where there are no signals."""
        logging.getLogger("allora_sdk").setLevel(logging.CRITICAL)
        for chatty in ("grpclib", "hpack", "aiohttp"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self._wallet(self._config.current)
        status = StatusServer(self._settings.status_host, self._settings.worker_port, self.checks, self.registry)
        status.start()
        try:
            asyncio.run(self._run(stop))
        finally:
            status.stop()
        return 0

    def _wallet(self, config: Config) -> Any:
        """The wallet if something is to be sent with it, else None."""
        if not config.wallet.submit_tx:
            return None
        try:
            return load_wallet(self._settings, config)
        except WalletError as error:
            raise WalletError(error.message, hint=f"{error.hint} Or set wallet.submitTx to false for a dry run.") from None

    async def _run(self, stop: threading.Event | None) -> None:
        stopping = asyncio.Event()
        if stop is None:
            loop = asyncio.get_running_loop()
            for number in end_signals():
                loop.add_signal_handler(number, stopping.set)
        await self._open(self._config.current)
        try:
            while not stopping.is_set() and not (stop is not None and stop.is_set()):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), CONFIG_SECONDS)
                before = self._config.in_force
                if self._config.changed():
                    try:
                        await self._take(before[1], self._config.current)
                    except NodeError as error:
                        self._config.put_back(*before, error)
        finally:
            log.info("ending")
            if self._session is not None:
                await self._session.close()

    async def _take(self, before: Config, config: Config) -> None:
        """Let an edit of config.json take effect; NodeError, with everything as it was, if it cannot."""
        if (before.network, before.wallet) != (config.network, config.wallet):
            self._wallet(config)
            network_of(self._settings, config)
            if self._session is not None:
                await self._session.close()
            await self._open(config)
        elif self._session is not None:
            await self._session.set_topics(config.topics(self._settings.inference_url))

    async def _open(self, config: Config) -> None:
        wallet = self._wallet(config)
        network = network_of(self._settings, config)
        chain, blocks = Chain(network), Blocks()
        topics = config.topics(self._settings.inference_url)
        session: Session

        def opened(topic: int, nonce: int, end: int) -> None:
            session.opened(topic, nonce, end)

        connection = Connection(chain, blocks, self._metrics, topics[0].id, opened, self._pauses)
        sender = None
        if wallet is not None:
            fees = Fees(
                config.wallet.fee_tier, network.minimum_gas_price, config.wallet.max_fees, fixed_price=config.wallet.gas_prices
            )
            sender = Sender(chain, blocks, wallet, fees, config.wallet.max_retries)
        tools = Tools(
            chain=chain,
            connection=connection,
            blocks=blocks,
            clock=self._clock,
            times=NonceTimes(chain, blocks, self._clock),
            inference=InferenceClient.open(),
            metrics=self._metrics,
            pauses=self._pauses,
            sender=sender,
            composer=Composer(wallet) if wallet is not None else None,
        )
        self._metrics.forget_balance()
        session = Session(tools)
        session.tasks.append(SupervisedLoop("chain", connection.run, self._metrics))
        if sender is not None:
            funds = Funds(chain, connection, sender, self._metrics, network.faucet_url, self._settings.api_key)
            session.tasks.append(SupervisedLoop("funds", funds.run, self._metrics))
        log.info(
            "worker starts",
            network=network.chain_id,
            topics=[topic.id for topic in topics],
            wallet=sender.address if sender else "none: dry run, nothing is sent",
        )
        self._session = session
        await session.set_topics(topics)

    def checks(self) -> list[Check]:
        """Chain, inference, and each topic's last outcome."""
        session = self._session
        if session is None:
            return [Check("worker", ok=False, detail="starting")]
        problem = session.tools.connection.problem
        asked = session.tools.inference.problem
        checks = [
            Check(
                "chain", problem is None, problem.message if problem else session.tools.chain.url, problem.hint if problem else ""
            ),
            Check("inference", asked is None, asked or "answers"),
        ]
        for lasting in (*session.tasks, *(running.task for running in list(session.topics.values()))):
            if lasting.problem is not None:
                hint = "It is started again by itself; please report the traceback in the log."
                checks.append(Check(f"task {lasting.name}", ok=False, detail=lasting.problem, hint=hint))
        for number, running in list(session.topics.items()):
            checks += _topic_checks(number, running.worker)
        return checks


def _topic_checks(number: int, worker: TopicWorker) -> list[Check]:
    """How the topic's last window ended, and how its answer compares with the network's, once there is one."""
    trouble, last, found = worker.problem, worker.last, worker.peers.newest
    detail = trouble.message if trouble else "no window yet" if last is None else f"{last.name} {last.reason}".strip()
    ok = trouble is None and (last is None or last.is_good)
    checks = [Check(f"topic {number}", ok, detail, trouble.hint if trouble else "")]
    if found is not None:
        hint = UNIT_HINT if found.is_said else ""
        checks.append(Check(f"topic {number} beside the network", not found.is_said, str(found), hint))
    return checks
