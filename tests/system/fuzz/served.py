"""Inference as it is really served, and thousands of requests that nobody should send."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from schemathesis import GenerationMode

from inference.http.server import THREADS
from tests.inference.http.test_load import FILES_OF_SQLITE, held_at_rest
from tests.support.held import Held
from tests.support.inference_server import Server, make_node, serve
from tests.system.fuzz.spoken import said

CLIENTS = 4
SECONDS = 10
MAX_KRAKEN_ROWS = 8_000_000
HANG_UP = 0.02
"""Part of the clients that do not wait for their answer."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
UNHEARD_OF = ("Traceback", "request failed", "Exception")
"""What the log must not say."""

DESCRIBED = 0.2
"""Part of the requests that is made after the served document; the others are made up."""

MOST_DESCRIBED = 2_000
WARM_UP = 0.2
MOST_MEGABYTES = 10.0
MOST_METRICS = 200_000
"""In bytes: paths, methods and statuses are not to fill them."""


@dataclass
class Seen:
    """Answers by status; `none` counts connections that were closed without one. `faults` holds what was said and what came."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[bytes, str]] = field(default_factory=list)

    def add(self, request: bytes, answer: bytes | None) -> None:
        """`answer` is all that came until the connection was closed; None if it was not."""
        if answer is None:
            self.faults.append((request, "not answered, and the connection not closed"))
            return
        statuses = [status.decode() for status in _STATUS.findall(answer)] or ["none"]
        self.statuses.update(statuses)
        wrong = [status for status in statuses if status.startswith("5") and status != "503"]
        if "503" in statuses and b"Content-Type: application/json" not in answer:
            wrong.append("503")
        if wrong or (answer and not answer.startswith(b"HTTP/1.")) or b"Traceback" in answer:
            self.faults.append((request, answer[:300].decode("latin-1")))


def ask(port: int, request: bytes, random: Random) -> bytes | None:
    """All that is answered on a connection of its own, whose sending side is then closed; None if that is not the end of it.

    Each comes from another address of this machine, or its ports would be used up within a minute.
    """
    here = (f"127.0.{random.randrange(1, 250)}.{random.randrange(1, 250)}", 0)
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS, source_address=here) as client:
        try:
            client.sendall(request)
            if random.random() < HANG_UP:
                return b""
            client.shutdown(socket.SHUT_WR)
            while (part := client.recv(65_536)) and len(received) < MAX_KRAKEN_ROWS:
                received += part
        except TimeoutError:
            return None
        except OSError:
            pass  # it was hung up on before it had said everything
    return bytes(received)


def asked(port: int, make: Callable[[Random], bytes], count: int, seed: int) -> Seen:
    """What came of `count` requests from clients that ask at the same time, each drawn by its own `seed`."""
    seen, lock = Seen(), threading.Lock()

    def client(number: int) -> None:
        random = Random(f"{seed}-{number}")
        for _ in range(count // CLIENTS):
            request = make(random)
            answer = ask(port, request, random)
            with lock:
                seen.add(request, answer)
                if len(seen.faults) > 10:
                    return

    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(client, number) for number in range(CLIENTS)]:
            done.result()
    return seen


def described(document: dict[str, Any], count: int, seed: int) -> list[bytes]:
    """About so many requests as the served document describes them, right ones and wrong ones."""
    schema = schemathesis.openapi.from_dict(document)
    cases = [schema[path]["GET"].as_strategy(mode) for path in document["paths"] for mode in GenerationMode]
    made: list[bytes] = []

    @hypothesis_seed(seed)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.one_of(cases))
    def keep(case: schemathesis.Case) -> None:
        with suppress(requests.RequestException, ValueError):
            made.append(_as_bytes(requests.Request(**case.as_transport_kwargs(base_url="http://localhost")).prepare()))

    keep()
    return made


def _as_bytes(request: requests.PreparedRequest) -> bytes:
    headers = {"Host": "localhost", "Connection": "close"} | {
        str(name): value.decode("latin-1") if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    body = request.body or b""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    first = f"{request.method} {request.path_url} HTTP/1.1\r\n"
    return (first + head + "\r\n").encode("utf-8", "surrogateescape") + (body.encode() if isinstance(body, str) else body)


@contextmanager
def inference(folder: Path) -> Iterator[tuple[Server, Path]]:
    """A server with candles and a champion for topic 3, and the file that its log goes to."""
    log = folder / "log"
    with contextmanager(make_node)(folder) as node, contextmanager(serve)(node) as server:

        def keep() -> None:
            with log.open("w") as file:
                file.writelines(server.process.stderr or ())

        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            yield server, log
        finally:
            server.process.terminate()
            keeper.join(20)


@dataclass(frozen=True)
class Holding:
    """What the serving process holds of the machine, its part of shared pages included."""

    pss_megabytes: float
    held: Held

    @classmethod
    def by(cls, server: Server, worker: int) -> Holding:
        """Once nobody asks any more."""
        lines = Path(f"/proc/{worker}/smaps_rollup").read_text().splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return cls(kilobytes / 1024, held_at_rest(server, worker))


@dataclass(frozen=True)
class Report:
    """What came of it all: the process warmed up, and after the rest."""

    seen: Seen
    warm: Holding
    done: Holding
    log: str

    def complaints(self) -> list[str]:
        """What is not as it should be."""
        grown = self.done.pss_megabytes - self.warm.pss_megabytes
        return [
            *(f"{answer!r} to {request!r}" for request, answer in self.seen.faults),
            *(f"the log says {word!r}" for word in UNHEARD_OF if word in self.log),
            *([f"{grown:.1f} MB more than before"] if grown > MOST_MEGABYTES else []),
            *(["descriptors leak"] if self.done.held.descriptors > self.warm.held.descriptors + FILES_OF_SQLITE else []),
            *(["threads leak"] if self.done.held.threads > self.warm.held.threads + THREADS else []),
        ]


def flood(folder: Path, count: int, seed: int) -> Report:
    """`count` requests to a server of its own; AssertionError if it ended or does not answer as before."""
    with inference(folder) as (server, log):
        (worker,) = server.children()
        number = server.get("/inference/BTC")
        document = json.loads(server.get("/openapi.json")[1])
        cases = described(document, min(MOST_DESCRIBED, count // 20), seed)

        def make(random: Random) -> bytes:
            return random.choice(cases) if random.random() < DESCRIBED else said(random)

        seen = asked(server.port, make, round(count * WARM_UP), seed)
        warm = Holding.by(server, worker)
        rest = asked(server.port, make, round(count * (1 - WARM_UP)), seed + 1)
        done = Holding.by(server, worker)
        assert server.children() == [worker], "the serving process was replaced"
        assert server.get("/inference/BTC") == number
        assert len(server.get("/metrics")[1]) < MOST_METRICS
    return Report(Seen(seen.statuses + rest.statuses, seen.faults + rest.faults), warm, done, log.read_text())
