"""A whole node under fire: updater and inference as real processes, killed at random moments, looked at after each kill.

The exchange is simulated and never killed. The node runs on a small history and models that are quickly fitted, retrained without
a pause, so that something is always being written.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final

import requests

from model_store.layout import POINTER
from node.clock import SystemClock
from node.config import load_config
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.system.chaos.invariants import Witness, check_answer, require

PROCESSES: Final = ("updater", "inference")
VICTIMS: Final = ("updater", "updater", "training", "inference", "serving", "everything")
"""What is killed: a process as its supervisor knows it, one that it started, or all of the node at once."""
AIMS: Final = ("moment", "database", "models", "pointer")
"""A random moment, or one just after something was written there."""

MARKET_SEED: Final = 1
DAYS: Final = 4
TOPICS: Final = (
    (9001, "ETH", "price", "10m", "linear"),
    (9002, "BTC", "log_return", "5m", "persistence"),
    (9003, "BTC", "price", "5m", "persistence"),
    (9004, "SOL", "volatility", "30m", "trailing_volatility"),
)
GONE_SECONDS: Final = 15.0
"""How long what a killed process started may live on."""
MOST_SHARED: Final = 64 * 1024
"""Bytes of shared memory that all the killed together may leave; a container has 64 MB, which go with it."""
UNBORN: Final = re.compile(
    r"LokyProcess-\d+ failed with traceback: \n-+\nTraceback.*\n.*in <module>\n +\w+ = pickle\.load\(from_parent\)\n[ ^]*\nEOFError"
)
"""A training process whose updater was killed before it had said what to do: its library's words, and nothing is lost."""

READY_SECONDS: Final = 120.0
AIM_SECONDS: Final = 0.04
"""An aimed kill comes at most this long after something was written."""


class Node:
    """The processes of one node in one folder, and the exchange they ask."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.database, self.models = folder / "node.db", folder / "models"
        exchange, self._inference_port = free_port(), free_port()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._dead: list[int] = []
        config = folder / "config.json"
        config.write_text(json.dumps(_config()))
        self._environment = os.environ | {
            "CONFIG_FILE": str(config),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "MODEL_STORE": str(self.models),
            "EXCHANGE_URLS": f"http://127.0.0.1:{exchange}",
            "INFERENCE_PORT": str(self._inference_port),
            "UPDATER_PORT": str(free_port()),
            "LOG_FORMAT": "console",
            "OMP_NUM_THREADS": "1",
        }
        market = ["--seed", str(MARKET_SEED), "--days", str(DAYS)]
        self._start("simulator.exchange", "--port", str(exchange), *market)
        tasks = tuple(topic.task for topic in load_config(config).topics("http://localhost"))
        # A day longer than the exchange's, so that midnight makes no difference.
        truth = SyntheticMarket(MARKET_SEED, DAYS + 1)
        self.witness = Witness(self.database, self.models, truth, SystemClock(), tasks)

    def _start(self, module: str, *arguments: str) -> None:
        with self.log.open("ab") as log:
            # A session of its own, by which its descendants are known even after their parent is dead.
            self._running[module] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start whatever of the node is not running."""
        for module in PROCESSES:
            if module not in self._running:
                self._start(module)

    def kill(self, victim: str) -> bool:
        """Kill -9; False if there is no such process just now. Waits for what the dead leave behind to end by itself."""
        if victim in {"training", "serving"}:
            module = "updater" if victim == "training" else "inference"
            children = [pid for pid in members(self._running[module].pid) if _is_a(victim, pid, self._running[module].pid)]
            _kill_all(children[:1])
            return bool(children)
        dead = PROCESSES if victim == "everything" else (victim,)
        for module in dead:
            self._running[module].kill()
        for module in dead:
            process = self._running.pop(module)
            process.wait()
            self._dead.append(process.pid)
            wait_until(lambda session=process.pid: not members(session), GONE_SECONDS)
            left = members(process.pid)
            _kill_all(left)
            require(not left, f"what the killed {module} started lives on: {left}")
        return True

    def check(self) -> None:
        """Everything that must hold now."""
        for module, process in self._running.items():
            require(process.poll() is None, f"{module} has ended by itself with {process.returncode}")
        require("Traceback" not in UNBORN.sub("", self.log.read_text(errors="replace")), "a traceback in the log")
        shared = sum(path.stat().st_size for path in self._shared_leftovers() if path.is_file())
        require(shared <= MOST_SHARED, f"{shared} bytes of shared memory belong to the dead")
        self.witness.look()

    def ask(self) -> dict[int, int]:
        """Every topic's answer, checked; the status of each that was answered. Nobody listening is no answer."""
        statuses = {}
        for topic, token, *_ in TOPICS:
            address = f"http://127.0.0.1:{self._inference_port}/inference/{token}?topic={topic}"
            try:
                answer = requests.get(address, timeout=10)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                continue
            check_answer(answer.status_code, answer.headers, answer.text)
            statuses[topic] = answer.status_code
        return statuses

    def is_answering(self) -> bool:
        """True if every topic has a number."""
        return list(self.ask().values()) == [200] * len(TOPICS)

    def written(self, place: str) -> tuple[int, ...]:
        """Differs from one call to the next if something was written between them."""
        folders = [self.models / str(task) for task in self.witness.tasks]
        pointers = [folder / POINTER for folder in folders]
        database = self.database.with_name("node.db-wal")
        paths = {"moment": [], "database": [database], "models": folders, "pointer": pointers}[place]
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)

    def end(self) -> None:
        """Leave no process behind."""
        for process in self._running.values():
            _kill_all(members(process.pid))
            process.wait()
        for path in self._shared_leftovers():
            if path.is_file():
                path.unlink()
            else:
                shutil.rmtree(path)

    def _shared_leftovers(self) -> list[Path]:
        """What training made in shared memory and nobody removed: its keeper may be killed before it knows of it."""
        return [path for session in self._dead for path in Path("/dev/shm").glob(f"*-{session}-*")] + [
            path for session in self._dead for path in Path("/dev/shm").glob(f"joblib_*_{session}_*")
        ]


def _config() -> dict[str, object]:
    entries = [
        {"topicId": topic, "parameters": {"Token": token, "Target": target, "Horizon": horizon, "Model": model}}
        for topic, token, target, horizon, model in TOPICS
    ]
    return {
        "worker": entries,
        "updater": {"historyDays": 2, "maxEpochs": 1, "retrainEvery": "1s", "keepVersions": 5, "skillFloor": None},
    }


@contextmanager
def running_node(folder: Path) -> Iterator[Node]:
    """A node that is started, and ended afterwards."""
    node = Node(folder)
    try:
        node.start()
        yield node
    finally:
        node.end()


def kill_at_random(node: Node, random: Random, longest_seconds: float) -> str:
    """Kill something at a moment drawn from `random`, check everything, start it again; what was done, in words."""
    victim, aim = random.choice(VICTIMS), random.choice(AIMS)
    until = time.monotonic() + random.uniform(0, longest_seconds)
    aside = random.uniform(0, AIM_SECONDS)
    before, asked = node.written(aim), time.monotonic()
    while time.monotonic() < until and node.written(aim) == before:
        if time.monotonic() - asked > 0.5:
            node.ask()
            asked = time.monotonic()
        time.sleep(0.05 if aim == "moment" else 0.001)
    time.sleep(aside)
    if not node.kill(victim):
        victim = "updater"
        node.kill(victim)
    node.check()
    node.ask()
    node.start()
    return f"{victim}, aimed at {aim}"


def recover(node: Node) -> None:
    """After everything was killed, the node answers all topics again from what is on disk, without anybody's help."""
    node.kill("everything")
    node.check()
    node.start()
    require(wait_until(node.is_answering, READY_SECONDS), f"not every topic is answered after {READY_SECONDS:.0f} seconds")
    node.check()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition` became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# Processes


def members(session: int) -> list[int]:
    """Processes of a session that are not dead."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with _may_be_gone():
            state, _, _, its_session = (folder / "stat").read_text().rpartition(") ")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(int(folder.name))
    return found


def _kill_all(processes: Iterable[int]) -> None:
    for pid in processes:
        with _may_be_gone():
            os.kill(pid, signal.SIGKILL)


def _is_a(kind: str, pid: int, parent: int) -> bool:
    """Whether this process trains for the updater, or serves for inference's first process."""
    with _may_be_gone():
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"popen_loky" in command if kind == "training" else pid != parent
    return False


@contextmanager
def _may_be_gone() -> Iterator[None]:
    with suppress(FileNotFoundError, ProcessLookupError):
        yield
