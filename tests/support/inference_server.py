"""`python -m inference` as an operator starts it: a real server process on a free port."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from node.clock import SystemClock
from tests.inference.conftest import BTC_10M, Node
from tests.support.paths import ROOT
from tests.support.ports import free_port


class Server:
    """A process that serves HTTP on `port`, and the requests that a test makes to it."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str]) -> None:
        self.port = port
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def get(self, path: str, seconds: float = 5) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        for _ in range(300):
            assert self.process.poll() is None, self.process.communicate()[1]
            try:
                if condition():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("waited for fifteen seconds in vain")

    def wait_until_served(self) -> None:
        self.wait_for(lambda: self.get("/health/live")[0] == 200)

    def children(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=10)
        return self.process.returncode, said


def start_inference(node: Node, *prefix: str, **environment: str) -> Server:
    """Inference over `node`, started by the command `prefix` if there is one."""
    port = free_port()
    return Server([*prefix, sys.executable, "-m", "inference"], port, node.environment(port) | environment)


def make_node(folder: Path) -> Iterator[Node]:
    node = Node(folder, [3], SystemClock().now_ms())
    node.write_config([3], inference={"staleAfter": "60m"})
    node.fill(BTC_10M)
    yield node
    node.engine.dispose()


def serve(node: Node, *prefix: str) -> Iterator[Server]:
    """Inference over `node`, for as long as the test takes."""
    yield from until_done(start_inference(node, *prefix))


def until_done(server: Server) -> Iterator[Server]:
    """The server once it answers; it is ended afterwards."""
    try:
        server.wait_until_served()
        yield server
    finally:
        server.process.terminate()
        try:
            server.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.communicate()
