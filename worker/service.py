"""The worker as one process: one wallet, one connection to the chain, one task per topic."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Final

import structlog

from node.clock import Clock
from node.config import ConfigFile
from node.errors import ChainError
from node.health import Check, StatusServer
from node.settings import Settings
from worker.answers import AnswerSource
from worker.chain import Chain, network_of
from worker.metrics import WorkerMetrics
from worker.topic_worker import TopicWorker
from worker.wallet import open_wallet

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
CONNECT_SECONDS: Final = 5.0
STOP_SECONDS: Final = 3.0


class Worker:
    """Follows config.json: topics come and go without touching the others."""

    def __init__(self, settings: Settings, config: ConfigFile, clock: Clock) -> None:
        self._settings = settings
        self._config = config
        self._clock = clock
        self._metrics = WorkerMetrics()
        self._workers: dict[int, TopicWorker] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._connected = False

    def checks(self) -> list[Check]:
        """The chain, and each topic's last window."""
        chain = Check("chain", self._connected, "" if self._connected else "the chain's node does not answer")
        topics = [
            Check(f"topic {number}", not worker.last.detail, worker.last.detail) for number, worker in list(self._workers.items())
        ]
        return [chain, *topics]

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        config = self._config.current
        wallet = open_wallet(self._settings, config)
        chain = Chain(network_of(self._settings, config), wallet, config.wallet.fee_tier)
        status = StatusServer(self._settings.status_host, self._settings.worker_port, self.checks, self._metrics.registry)
        status.start()
        mode = "submitting" if config.wallet.submit_tx else "dry run"
        log.info("worker started", mode=mode, address=chain.address, topics=[entry.topic_id for entry in config.worker])
        answers = AnswerSource()
        try:
            if await self._connect(chain, stop):
                await self._follow(chain, answers, stop)
        finally:
            for task in self._tasks.values():
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks.values(), timeout=STOP_SECONDS)
            await answers.close()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(chain.close(), STOP_SECONDS)
            status.stop()
            log.info("worker stopped")

    async def _connect(self, chain: Chain, stop: asyncio.Event) -> bool:
        """Wait for the chain, however long it takes; False if stopped meanwhile."""
        said = ""
        while not stop.is_set():
            try:
                await chain.check()
                self._metrics.balance.set(await chain.balance())
                self._connected = True
                self._metrics.chain_up.set(1)
                return True
            except ChainError as error:
                if error.message != said:
                    said = error.message
                    log.warning("waiting for the chain", error=error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), CONNECT_SECONDS)
        return False

    async def _follow(self, chain: Chain, answers: AnswerSource, stop: asyncio.Event) -> None:
        async def opened(topic_id: int, nonce: int) -> None:
            if topic_id in self._workers:
                self._workers[topic_id].window_opened(nonce)

        subscribing = asyncio.create_task(chain.on_window(opened))
        self._arrange(chain, answers)
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
            if self._config.changed():
                self._arrange(chain, answers)
        subscribing.cancel()

    def _arrange(self, chain: Chain, answers: AnswerSource) -> None:
        """One task per configured topic; an unchanged topic keeps its own."""
        config = self._config.current
        wanted = {topic.id: topic for topic in config.topics(self._settings.inference_url)}
        for number in [number for number, worker in self._workers.items() if wanted.get(number) != worker.topic]:
            self._tasks.pop(number).cancel()
            del self._workers[number]
        for number, topic in wanted.items():
            if number not in self._workers:
                worker = TopicWorker(topic, chain, answers, self._clock, self._metrics, submit=config.wallet.submit_tx)
                self._workers[number] = worker
                self._tasks[number] = asyncio.create_task(worker.run(), name=f"topic {number}")
