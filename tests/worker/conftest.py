"""A simulated chain and a worker, each in a thread of its own, speaking over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mnemonic import Mnemonic
from prometheus_client import generate_latest
from pytest_httpserver import HTTPServer

from node.clock import SystemClock
from node.config import ConfigFile
from node.environment import Settings
from simulator.chain.faults import Fault, Faults
from simulator.chain.others import OtherWorkers
from simulator.chain.server import SimulatedChain
from simulator.chain.state import ChainState, Submission
from simulator.chain.topics import OLDER_QUERY, Measure, in_seconds, numbered
from worker.connection import Pauses
from worker.service import Worker

PRICES = {"BTC": "73984.23", "ETH": "2535.91", "SOL": "151.2", "BNB": "611.5", "ARB": "0.51"}
SOON = Pauses(api=0.5, wrong_chain=0.5, topic=0.5, again=0.3, check=3600.0, watch=0.5, rehearsal=2.0)


def wait_until(condition: Callable[[], Any], seconds: float = 40.0) -> Any:
    """What `condition` gives once it gives something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found


class RunningChain:
    """The simulated chain; its state may be read from the test's thread, and changed where one assignment does it."""

    def __init__(
        self,
        numbers: tuple[int, ...],
        *,
        block_seconds: float = 0.1,
        epoch_blocks: int = 12,
        share: float = 0.0,
        measure: Measure = Measure.BLOCKS,
        others: OtherWorkers | None = None,
    ) -> None:
        topics = numbered(numbers, "testnet", epoch_blocks, 12)
        if measure is Measure.SECONDS:
            # A window is a whole number of seconds.
            block_seconds = max(block_seconds, 0.25)
            in_seconds(topics, block_seconds)
        self.state = ChainState({topic.id: topic for topic in topics}, faults=Faults(share, seed=7))
        if measure is Measure.SECONDS:
            self.state.unknown_methods.add(OLDER_QUERY)
        self._chain = SimulatedChain(self.state, SystemClock(), block_seconds=block_seconds, others=others)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._chain.start(), self._loop).result(20)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._chain.stop(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    def script(self, kind: str, **what: Any) -> None:
        """Put a fault into force."""
        self._loop.call_soon_threadsafe(self._chain.script, Fault(kind, **what))

    def play_others(self, others: OtherWorkers | None) -> None:
        """Let there be other workers from now on, or none any more."""
        self._chain.others = others

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CHAIN_GRPC_URL": f"grpc+http://127.0.0.1:{self._chain.port}",
            "CHAIN_WEBSOCKET_URL": f"ws://127.0.0.1:{self._chain.http_port}/websocket",
            "CHAIN_ID": "localnet",
        }

    def accepted(self, topic: int) -> list[Submission]:
        return [entry for entry in self.state.submissions if entry.topic_id == topic]

    def wait_for(self, topic: int, count: int = 1) -> list[Submission]:
        """The topic's submissions once there are `count` of them."""
        wait_until(lambda: len(self.accepted(topic)) >= count)
        return self.accepted(topic)

    def assert_nothing_twice(self) -> None:
        answers = Counter((entry.topic_id, entry.nonce) for entry in self.state.submissions)
        assert not answers or max(answers.values()) == 1


class RunningWorker:
    """The worker in a thread, configured by a file as an operator would."""

    def __init__(
        self, folder: Path, environment: dict[str, str], inference_url: str, *topics: int | dict[str, Any], **wallet: Any
    ) -> None:
        self.folder = folder
        self.words = folder / "mnemonic"
        if not self.words.exists():
            self.words.touch(mode=0o600)
            self.words.write_text(Mnemonic("english").generate())
        self.wallet = {"mnemonicFile": str(self.words), "submitTx": True} | wallet
        self.configure(*topics)
        self._stop = threading.Event()
        settings = {key.lower(): value for key, value in environment.items()}
        self.settings = Settings(
            _env_file=None, config_file=folder / "config.json", inference_url=inference_url, worker_port=1, **settings
        ).model_copy(update={"worker_port": 0})
        self.worker = Worker(self.settings, ConfigFile(folder / "config.json"), SOON)
        self._thread = threading.Thread(target=self.worker.run, args=(self._stop,), daemon=True)

    def configure(self, *topics: int | dict[str, Any]) -> None:
        """Replace config.json as an editor does."""
        entries = [topic if isinstance(topic, dict) else {"topicId": topic} for topic in topics]
        aside = self.folder / "config.json.new"
        aside.write_text(json.dumps({"wallet": self.wallet, "worker": entries}))
        os.replace(aside, self.folder / "config.json")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> float:
        """Seconds until it had ended."""
        started = time.monotonic()
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        return time.monotonic() - started

    def outcomes(self, topic: int) -> dict[str, int]:
        """How the topic's windows ended, by name."""
        found = {}
        for metric in self.worker.registry.collect():
            for sample in metric.samples:
                if sample.name == "allora_worker_submissions_total" and sample.labels["topic"] == str(topic):
                    found[sample.labels["outcome"]] = int(sample.value)
        return found

    def wait_for(self, topic: int, outcome: str) -> None:
        wait_until(lambda: self.outcomes(topic).get(outcome))

    def metrics(self) -> str:
        return generate_latest(self.worker.registry).decode()


@pytest.fixture
def inference(httpserver: HTTPServer) -> HTTPServer:
    """An inference service that answers every token with a price."""
    for token, price in PRICES.items():
        httpserver.expect_request(f"/inference/{token}").respond_with_data(price)
    return httpserver


@pytest.fixture
def measure() -> Measure:
    """In what the simulated chain measures windows; a module whose tests hold for both says so with parameters."""
    return Measure.BLOCKS


@pytest.fixture
def run_chain(measure: Measure) -> Iterator[Callable[..., RunningChain]]:
    running: list[RunningChain] = []

    def run(*numbers: int, **options: Any) -> RunningChain:
        chain = RunningChain(numbers, **({"measure": measure} | options))
        chain.start()
        running.append(chain)
        return chain

    yield run
    for chain in running:
        chain.stop()


@pytest.fixture
def run_worker(tmp_path: Path, httpserver: HTTPServer) -> Iterator[Callable[..., RunningWorker]]:
    running: list[RunningWorker] = []

    def run(chain: RunningChain, *topics: int | dict[str, Any], **wallet: Any) -> RunningWorker:
        worker = RunningWorker(tmp_path, chain.environment, httpserver.url_for("").rstrip("/"), *topics, **wallet)
        worker.start()
        running.append(worker)
        return worker

    yield run
    for worker in running:
        worker.stop()
