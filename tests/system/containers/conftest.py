"""The whole node in containers, beside the demo's exchange and chain, on whatever engine `docker` speaks to.

Built and started once for all tests; each leaves it running and well. `pytest -m container -n 0` runs them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from mnemonic import Mnemonic

from tests.support.paths import ROOT
from tests.support.ports import free_port

SERVICES = ("inference", "gateway", "worker", "updater")
SIMULATORS = ("exchange", "chain")
UID = 10001

T = TypeVar("T")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reason = ""
    if "container" not in config.option.markexpr:
        reason = "containers are built and started by `pytest -m container -n 0` alone"
    elif "PYTEST_XDIST_WORKER" in os.environ:
        reason = "containers need one process: pytest -m container -n 0"
    elif not engine_answers():
        reason = "no Docker engine with Compose answers here, so no container was built or started"
    for item in items:
        if reason and item.get_closest_marker("container"):
            item.add_marker(pytest.mark.skip(reason=reason))


def engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    commands = (["docker", "version"], ["docker", "compose", "version"])
    return all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in commands)


def wait_for(look: Callable[[], T | None], seconds: float, what: str) -> T:
    """What `look` sees once it sees something; exceptions of a service that is just starting are no answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen = look()
        except (requests.RequestException, subprocess.CalledProcessError):
            seen = None
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what}: not within {seconds} seconds"
        time.sleep(0.2)


def children_of(process: int) -> list[int]:
    """What a process of this machine has started."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


class Node:
    """A compose project of its own: its ports, its volumes, its config.json and its secret."""

    def __init__(self, folder: Path, *profiles: str) -> None:
        self.project = f"allora-test-{os.getpid()}-{folder.name}"
        self.config = folder / "config" / "config.json"
        self.config.parent.mkdir(mode=0o755)
        shutil.copy(ROOT / "config.json", self.config)
        self.words = Mnemonic("english").generate(256)
        secret = folder / "mnemonic"
        secret.touch(mode=0o600)
        secret.write_text(self.words)
        if os.geteuid() == 0:
            os.chown(secret, UID, UID)
        else:
            secret.chmod(0o644)
        self.ports = {"gateway": free_port(), "chain": free_port()}
        self.profiles = [argument for name in profiles for argument in ("--profile", name)]
        self.environment = {name: value for name, value in os.environ.items() if name != "COMPOSE_PROFILES"} | {
            "CONFIG_FOLDER": str(self.config.parent),
            "ALLORA_MNEMONIC_FILE": str(secret),
            "INFERENCE_PORT": str(self.ports["gateway"]),
            "CHAIN_HTTP_PORT": str(self.ports["chain"]),
        }

    def compose(self, *arguments: str, check: bool = True) -> str:
        return run(["docker", "compose", "--project-name", self.project, *self.profiles, *arguments], self.environment, check=check)

    def up(self) -> None:
        self.compose("up", "--detach", "--no-build")

    def inside(self, service: str, *command: str, check: bool = True) -> str:
        return self.compose("exec", "--no-TTY", service, *command, check=check)

    def python(self, service: str, code: str) -> Any:
        """What an expression is inside a container, by way of JSON."""
        return json.loads(self.inside(service, "python", "-c", f"import json; print(json.dumps({code}))"))

    def inspect(self, service: str) -> dict[str, Any]:
        identity = self.compose("ps", "--all", "--quiet", service).strip()
        return json.loads(run(["docker", "inspect", identity]))[0]

    def started(self, service: str) -> str:
        return str(self.inspect(service)["State"]["StartedAt"])

    def process(self, service: str) -> int:
        """The service's own process as this machine numbers it: the child of the container's init."""
        return children_of(self.inspect(service)["State"]["Pid"])[0]

    def is_healthy(self, service: str) -> bool:
        state = self.inspect(service)["State"]
        return bool(state["Running"]) and state["Health"]["Status"] == "healthy"

    def get(self, path: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.ports['gateway']}{path}", timeout=3)

    def topics(self) -> list[dict[str, Any]]:
        return list(self.get("/topics").json())

    def all_answer(self) -> bool:
        return all(topic["ready"] for topic in self.topics())

    def accepted(self) -> list[dict[str, Any]]:
        """Submissions the simulated chain accepted."""
        return list(requests.get(f"http://127.0.0.1:{self.ports['chain']}/ledger", timeout=3).json()["submissions"])

    def accepted_topics(self) -> set[int]:
        return {entry["topic_id"] for entry in self.accepted()}

    def edit(self, change: Callable[[dict[str, Any]], None], *, rename: bool) -> None:
        """Edit config.json in place, or as most editors do: by a new file that takes the old one's name."""
        content = json.loads(self.config.read_text())
        change(content)
        path = self.config.with_suffix(".new") if rename else self.config
        path.write_text(json.dumps(content))
        if rename:
            path.replace(self.config)


def run(command: list[str], environment: dict[str, str] | None = None, *, check: bool = True) -> str:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + ("" if check else done.stderr)


@pytest.fixture(scope="session")
def images() -> None:
    """Every image, built from the working tree."""
    override = os.environ.get("ENGINE_BUILD_OVERRIDE")
    files = ["--file", "docker-compose.yml", *(["--file", override] if override else [])]
    run(["docker", "compose", *files, "--profile", "demo", "build"])


@pytest.fixture(scope="session")
def node(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The demo on fresh volumes, just started."""
    node = Node(tmp_path_factory.mktemp("node"), "demo")
    try:
        node.up()
        yield node
    finally:
        node.compose("down", "--volumes", "--timeout", "1", check=False)


@pytest.fixture
def running(node: Node) -> Node:
    """The node with every topic answered and every container well."""
    wait_for(node.all_answer, 400, "an answer for every topic")
    for service in SERVICES:
        wait_for(lambda service=service: node.is_healthy(service), 60, f"{service} healthy")
    return node
