"""One machine with one disk: updater, inference and worker as they are run for good, but in this process and in simulated time.

What is not real stands at the edges alone: the network between them and to exchange and chain, the clock, and that trainings are
held in the updater's own thread instead of processes of their own. A process is killed where it looks at the clock or waits.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import aiohttp
from flask import Flask

import inference.answers.ledger_writer
import inference.answers.watcher
import market.bounded_http
import node.loops
import updater.challenger
import updater.service
import updater.trainer
import worker.chain
import worker.service
from inference.service import InferenceService
from market.sources import open_sources
from node.config import ConfigFile
from node.environment import Settings
from node.topics import Topic
from tests.system.month.chain import CHAIN_ID, Client, InProcessChain
from tests.system.month.event_loop import SimulatedLoop
from tests.system.month.exchange import InProcessExchange, adapter_to
from tests.system.month.scheduler import Process, Scheduler, SimulatedClock
from updater.challenger import train_challenger
from updater.service import Updater
from worker.inference_client import InferenceClient
from worker.service import Worker

NAMES: Final = ("updater", "inference", "worker")
MNEMONIC: Final = " ".join(["abandon"] * 11 + ["about"])
"""The words that every book on wallets has."""


class Node:
    """The three processes over `folder`; `served` is told of every answer that the worker got: topic and body."""

    def __init__(
        self,
        folder: Path,
        scheduler: Scheduler,
        exchange: InProcessExchange,
        make_chain: Callable[[Iterable[Topic]], InProcessChain],
        config: dict[str, Any],
        served: Callable[[int, str], None],
    ) -> None:
        self.folder, self.config_file = folder, folder / "config.json"
        self.database, self.models = folder / "node.db", folder / "models"
        self.clock = SimulatedClock(scheduler)
        self.app: Flask | None = None
        self.worker: Worker | None = None
        self._scheduler, self._exchange, self._served = scheduler, exchange, served
        self._processes: dict[str, Process] = {}
        (folder / "mnemonic").touch(mode=0o600)
        (folder / "mnemonic").write_text(MNEMONIC)
        wallet = {"mnemonicFile": str(folder / "mnemonic"), "submitTx": True}
        self.good_config = json.dumps({"wallet": wallet} | config)
        self.config_file.write_text(self.good_config)
        self.settings = Settings(
            _env_file=None,
            config_file=self.config_file,
            database_url=f"sqlite:///{self.database}",
            model_store=self.models,
            exchange_urls="http://exchange",
            inference_url="http://inference",
            chain_grpc_url="grpc+http://chain:9090",
            chain_websocket_url="ws://chain/websocket",
            chain_id=CHAIN_ID,
        )
        self.topics = ConfigFile(self.config_file).current.topics(self.settings.inference_url)
        self.chain = make_chain(self.topics)

    def is_running(self, name: str) -> bool:
        """Whether the process was started and neither killed nor dead."""
        process = self._processes.get(name)
        return process is not None and not process.dead

    def start(self, name: str) -> None:
        """Start a process, from what is on disk."""
        process = self._processes[name] = Process(name)
        body = {"updater": self._run_updater, "inference": self._run_inference, "worker": self._run_worker}[name]
        self._scheduler.thread_type(target=lambda: body(process), name=name, process=process).start()

    def kill(self, name: str) -> None:
        """Kill a process where it waits, or gather what is left of one that died."""
        if name == "inference":
            self.app = None
        process = self._processes.pop(name, None)
        if process is not None:
            self._scheduler.kill(process)

    def light_fuse(self, name: str, looks: int) -> None:
        """Kill a process when it has looked at the clock so often."""
        if self.is_running(name):
            self._processes[name].fuse = looks

    def _run_updater(self, _: Process) -> None:
        config = ConfigFile(self.config_file)
        sources = open_sources(self.settings, self.clock, config.current.updater.sources)
        Updater(self.settings, config, sources, self.clock).run(threading.Event())

    def _run_inference(self, _: Process) -> None:
        self.app = InferenceService(self.settings, ConfigFile(self.config_file), self.clock).start()

    def _run_worker(self, process: Process) -> None:
        self.worker = Worker(self.settings, ConfigFile(self.config_file), clock=self.clock)
        session = _Session(lambda: self.app, self._served, process)
        loop = SimulatedLoop(self._scheduler, self.chain.is_busy)
        with (
            mock.patch.object(InferenceClient, "open", return_value=InferenceClient(session)),
            mock.patch.object(worker.chain, "AlloraRPCClient", side_effect=lambda network: Client(self.chain, process)),
        ):
            loop.run_to_the_end(self.worker._run(threading.Event()))


@contextmanager
def in_simulation(scheduler: Scheduler, exchange: InProcessExchange) -> Iterator[None]:
    """While inside, the node's modules start simulated threads, reach the simulated exchange, and train in their own thread."""
    shim = SimpleNamespace(Thread=scheduler.thread_type, Event=threading.Event, Lock=threading.Lock)
    with ExitStack() as stack:
        for module in (node.loops, inference.answers.watcher, inference.answers.ledger_writer):
            stack.enter_context(mock.patch.object(module, "threading", shim))
        stack.enter_context(mock.patch.object(market.bounded_http, "HTTPAdapter", adapter_to(exchange)))
        stack.enter_context(
            mock.patch.object(updater.trainer, "_train_all", lambda challenges, *_: map(train_challenger, challenges))
        )
        stack.enter_context(mock.patch.object(updater.challenger, "configure_logs"))
        yield


class _Session:
    """Stands where the worker has a session of aiohttp: asks the application, if it is there."""

    def __init__(self, app: Callable[[], Flask | None], served: Callable[[int, str], None], process: Process) -> None:
        self._app, self._served, self._process = app, served, process

    @asynccontextmanager
    async def get(self, url: str, *, headers: dict[str, str], **_: Any) -> AsyncIterator[Any]:
        app = self._app()
        if app is None or self._process.dead:
            raise aiohttp.ClientConnectionError("nobody listens")
        place = urlsplit(url)
        answer = app.test_client().get(f"{place.path}?{place.query}", headers=headers)
        body = answer.get_data()
        if answer.status_code == 200:
            self._served(int(parse_qs(place.query)["topic"][0]), body.decode())
        content = asyncio.StreamReader()
        content.feed_data(body)
        content.feed_eof()
        yield SimpleNamespace(status=answer.status_code, content=content)

    async def close(self) -> None:
        """There is no connection."""
