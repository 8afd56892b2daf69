"""A node of real processes on a simulated exchange and chain, looked at as Prometheus looks at it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from simulator.chain.others import OtherWorkers, exchange_prices
from simulator.demo_environment import make_wallet
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.worker.conftest import RunningChain

TOPICS = (1, 37)
JOBS = ("updater", "inference", "worker")
Scrape = dict[str, float]


class RunningNode:
    """Start and kill each process at will. Everything it writes is in `folder`."""

    def __init__(self, folder: Path, models: Path | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.models = models or folder / "models"
        self.chain = RunningChain(TOPICS, block_seconds=1.0)
        self.chain.start()
        self.ports = {name: free_port() for name in (*JOBS, "exchange")}
        make_wallet(folder / "mnemonic")
        (folder / "config.json").write_text(
            json.dumps(
                {
                    "wallet": {"submitTx": True},
                    "worker": [{"topicId": number} for number in TOPICS],
                    "updater": {"historyDays": 3, "maxEpochs": 8},
                }
            )
        )
        self.environment = self.chain.environment | {
            "CONFIG_FILE": str(folder / "config.json"),
            "DATABASE_URL": f"sqlite:///{folder}/data/node.db",
            "MODEL_STORE": str(self.models),
            "EXCHANGE_URLS": f"http://127.0.0.1:{self.ports['exchange']}",
            "INFERENCE_URL": f"http://127.0.0.1:{self.ports['inference']}",
            "INFERENCE_PORT": str(self.ports["inference"]),
            "UPDATER_PORT": str(self.ports["updater"]),
            "WORKER_PORT": str(self.ports["worker"]),
            "ALLORA_MNEMONIC_FILE": str(folder / "mnemonic"),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        """Start processes of the node by name, or the exchange."""
        for name in names:
            arguments = [name]
            if name == "exchange":
                arguments = ["simulator.exchange", "--port", str(self.ports[name]), "--days", "4"]
            with (self.folder / f"{name}.log").open("ab") as log:
                command = [sys.executable, "-m", *arguments]
                self._running[name] = subprocess.Popen(
                    command, cwd=ROOT, env=os.environ | self.environment, stdout=log, stderr=log, start_new_session=True
                )

    def kill(self, *names: str) -> None:
        """End them as a crash does, with whatever they started."""
        for name in names:
            process = self._running.pop(name)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        self.kill(*list(self._running))
        self.chain.stop()

    def fail(self, name: str) -> None:
        """Let the exchange fail."""
        requests.post(
            f"http://127.0.0.1:{self.ports['exchange']}/simulator/fail", json={"name": name}, timeout=5
        ).raise_for_status()

    def heal(self) -> None:
        requests.post(f"http://127.0.0.1:{self.ports['exchange']}/simulator/heal", timeout=5).raise_for_status()

    def set_balance(self, uallo: int) -> None:
        """Of every wallet the chain knows."""
        for account in self.chain.state.accounts.values():
            account.balance = uallo

    def play_others(self, factor: float) -> None:
        """From now on the chain has other workers too; what they say is the exchange's, multiplied by `factor`."""
        self.chain.play_others(OtherWorkers(5, exchange_prices(self.environment["EXCHANGE_URLS"]), factor))

    def scrape(self) -> Scrape:
        """Every sample of the three processes as Prometheus would store it, and `up`, by `name{labels}`."""
        found: Scrape = {}
        for job in JOBS:
            samples = _samples(f"http://127.0.0.1:{self.ports[job]}/metrics", job)
            found[_series("up", {"job": job})] = float(samples is not None)
            found |= samples or {}
        return found

    def wait_for(self, condition: Callable[[Scrape], Any], seconds: float = 180) -> Scrape:
        """The first scrape that meets the condition."""
        deadline = time.monotonic() + seconds
        while not condition(found := self.scrape()):
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.5)
        return found


def is_serving(scrape: Scrape) -> bool:
    """Every topic has an answer and a submission."""
    answered = [value for name, value in scrape.items() if name.startswith("allora_inference_topic_ready{")]
    accepted = [name for name in scrape if name.startswith("allora_worker_submissions_total{") and '"accepted"' in name]
    return answered == [1.0] * len(TOPICS) and len(accepted) == len(TOPICS)


def _samples(url: str, job: str) -> Scrape | None:
    try:
        text = requests.get(url, timeout=5).text
    except requests.RequestException:
        return None
    return {
        _series(sample.name, {"job": job} | sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("allora_")
    }


def _series(name: str, labels: dict[str, str]) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}}"
