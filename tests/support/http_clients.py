"""Clients that never rest, in a process of their own, which imports nothing else than this."""

from __future__ import annotations

import json
import multiprocessing
import selectors
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

ROUNDS = 10
READY_SECONDS = 30


@dataclass
class Outcome:
    """What clients got; `refused` by the code of the error, `failed` by what went wrong."""

    answers: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)


class Connection:
    """One client: asks, reads, asks again. `{}` in its path becomes another number each time."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._questions = 0
        self.socket = self._connected()

    def _connected(self) -> socket.socket:
        connected = socket.create_connection(("127.0.0.1", self._port), timeout=10)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    def reconnect(self) -> None:
        self.socket.close()
        self.socket = self._connected()

    def ask(self) -> None:
        self._questions += 1
        request = self._request.replace(b"{}", b"%d" % self._questions)
        self.asked = time.perf_counter()
        self.socket.sendall(request)

    def read(self, outcome: Outcome) -> bool:
        """Take an answer into `outcome`; whether the connection stays open."""
        head, body = self._answer()
        outcome.latencies.append(time.perf_counter() - self.asked)
        status = head.split(" ", 2)[1] if head else "no answer"
        if status == "200":
            outcome.answers[body] += 1
        elif status == "503" and "retry-after:" in head.lower():
            outcome.refused[json.loads(body)["error"]["code"]] += 1
        else:
            outcome.failed[status] += 1
        return bool(head) and "connection: close" not in head.lower()

    def _answer(self) -> tuple[str, str]:
        received = b""
        while True:
            part = self.socket.recv(65536)
            received += part
            head, found, body = received.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if not part or (found and len(body) >= length):
                return (head.decode(), body.decode()) if found and len(body) >= length else ("", "")


def ask_until(ready: Any, stop: Any, result: Any, answered: Any, port: int, paths: list[str]) -> None:
    """A client a path, each asking as soon as it has been answered, until `stop` is set; puts an Outcome into `result`.

    `ready` is set once there have been ROUNDS answers a client; `answered` is how many there have been of all.
    """
    outcome = Outcome()
    with selectors.DefaultSelector() as selector:
        for path in paths:
            client = Connection(port, path)
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.ask()
        while not stop.is_set():
            if len(outcome.latencies) >= ROUNDS * len(paths):
                ready.set()
            answered.value = len(outcome.latencies)
            for key, _ in selector.select(timeout=0.1):
                client = key.data
                try:
                    stays = client.read(outcome)
                    if not stays:
                        selector.unregister(client.socket)
                        client.reconnect()
                        selector.register(client.socket, selectors.EVENT_READ, client)
                    client.ask()
                except OSError as error:
                    outcome.failed[type(error).__name__] += 1
                    selector.unregister(client.socket)
                    client.reconnect()
                    selector.register(client.socket, selectors.EVENT_READ, client)
                    client.ask()
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    result.put(outcome)


class Clients:
    """Clients in a process of their own, asking while this is entered; afterwards `outcome` is what they got."""

    def __init__(self, port: int, paths: list[str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._ready, self._stop, self._result = context.Event(), context.Event(), context.SimpleQueue()
        self._answered = context.Value("L", 0, lock=False)
        arguments = (self._ready, self._stop, self._result, self._answered, port, paths)
        self._process = context.Process(target=ask_until, args=arguments, daemon=True)
        self.outcome = Outcome()

    def __enter__(self) -> Self:
        self._process.start()
        if not self._ready.wait(READY_SECONDS):
            self._process.kill()
            raise TimeoutError(f"the clients were not answered {ROUNDS} times within {READY_SECONDS} seconds")
        return self

    @property
    def answered(self) -> int:
        """How many requests have been answered so far."""
        return int(self._answered.value)

    def wait_for(self, answers: int) -> None:
        """Until so many requests have been answered."""
        while self.answered < answers:
            if not self._process.is_alive():
                raise RuntimeError("the clients have ended")
            time.sleep(0.02)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        if error is None and self._process.is_alive():
            self.outcome = self._result.get()
        self._process.join(10)
        self._process.kill()
        self._process.close()
        self._result.close()
