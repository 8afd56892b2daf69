"""How fast `/inference` answers, beside a bare Flask route served in the same way at the same time.

Both are real server processes with the same gunicorn settings, asked in turns by a client process of its own over kept-alive
connections, so that both see the same machine. The node's side is complete: candles in a database, a trained champion, a watcher.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from flask import Flask, Response
from rich.console import Console
from rich.table import Table

from inference.http.server import Server
from market.candle_store import CandleStore
from market.candles import COLUMNS
from node.clock import SystemClock
from node.database import open_database
from node.durations import Duration, Interval
from node.logs import configure_logs
from node.topics import Target, Task

ROOT = Path(__file__).resolve().parents[1]
TASK = Task("BTC", Target.PRICE, Duration.parse("10m"))
GOAL = 0.8
ROUNDS = 5
ROUND_SECONDS = 1.0
WARM_UP_SECONDS = 1.0
CONNECTIONS = (1, 8)


class BareService:
    """The least that Flask can answer."""

    def start(self) -> Flask:
        app = Flask("bare")

        @app.get("/number")
        def number() -> Response:
            return Response("64000.5", content_type="text/plain; charset=utf-8")

        return app

    def stop(self) -> None:
        pass


def candles(now_ms: int, days: int = 3) -> pd.DataFrame:
    """A random walk by the minute."""
    count = days * 1440
    newest = Interval.MINUTE.last_closed(now_ms)
    noise = np.random.default_rng(0)
    close = 64_000 * np.exp(noise.normal(0, 5e-4, count).cumsum())
    opened = np.concatenate([close[:1], close[:-1]])
    frame = pd.DataFrame({"open_time": newest - Interval.MINUTE.ms * np.arange(count - 1, -1, -1, dtype=np.int64)})
    frame = frame.assign(open=opened, high=np.maximum(opened, close) * 1.0002, low=np.minimum(opened, close) * 0.9998, close=close)
    frame = frame.assign(
        volume=noise.gamma(2.0, 5.0, count), quote_volume=np.nan, trades=np.nan, taker_base=np.nan, taker_quote=np.nan
    )
    return frame[list(COLUMNS)]


def prepare(folder: Path) -> dict[str, str]:
    """Candles, a champion and a config in `folder`; the environment that names them. Needs a process of its own: torch is large."""
    configure_logs("benchmark", "warning")
    from forecasting.training.train import train  # noqa: PLC0415
    from model_store.manifest import Gate, Sample, VersionMetadata  # noqa: PLC0415
    from model_store.store import ModelStore  # noqa: PLC0415

    clock = SystemClock()
    environment = {
        "CONFIG_FILE": str(folder / "config.json"),
        "DATABASE_URL": f"sqlite:///{folder}/node.db",
        "MODEL_STORE": str(folder / "checkpoints"),
        "LOG_LEVEL": "error",
    }
    # Long enough that no answer runs out while it is being measured.
    config = {"worker": [{"topicId": 3}], "inference": {"staleAfter": "60m"}}
    (folder / "config.json").write_text(json.dumps(config))
    frame = candles(clock.now_ms())
    CandleStore(open_database(environment["DATABASE_URL"])).upsert(TASK.symbol, Interval.MINUTE, frame)
    candidate = train(TASK, "birnn", "mse", frame, max_epochs=1)
    store = ModelStore(folder / "checkpoints", clock)
    metadata = VersionMetadata(
        signature=candidate.signature.to_dict(),
        data_start_ms=candidate.data_start_ms,
        data_end_ms=candidate.data_end_ms,
        data_sha256=candidate.data_sha256,
        seed=candidate.seed,
        gate=Gate(promoted=True, reason="for the benchmark"),
        samples=tuple(Sample(**sample) for sample in candidate.samples),
    )
    version = store.publish(TASK, graph=candidate.graph, weights=candidate.weights, metadata=metadata).version
    store.promote(TASK, version, "for the benchmark")
    return environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(command: list[str], port: int, environment: dict[str, str], path: str) -> Iterator[None]:
    """A server process that answers `path` with 200, ended afterwards."""
    everything = os.environ | environment | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=everything)
    try:
        for _ in range(200):
            try:
                if ask_once(port, path).startswith(b"HTTP/1.1 200"):
                    break
            except OSError:
                pass
            if process.poll() is not None:
                raise SystemExit(f"{command} ended with {process.returncode}")
            time.sleep(0.1)
        else:
            raise SystemExit(f"{command} did not answer {path} within 20 seconds")
        yield
    finally:
        process.terminate()
        process.wait(10)


def ask_once(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request_for(path))
        return read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    """Head and body, which the server may send one by one."""
    answer = b""
    while True:
        part = connection.recv(65536)
        answer += part
        head, found, body = answer.partition(b"\r\n\r\n")
        if found or not part:
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(body) >= length or not part:
                return answer


def request_for(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def load(port: int, path: str, connections: int, seconds: float) -> list[float]:
    """Latencies in seconds: every connection sends its next request as soon as its answer is there."""
    request = request_for(path)
    latencies: list[float] = []
    sent: dict[socket.socket, float] = {}
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ)
            sent[connection] = time.perf_counter()
            connection.sendall(request)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for key, _ in selector.select(timeout=1):
                connection = key.fileobj  # type: ignore[assignment]
                answer = read_answer(connection)
                now = time.perf_counter()
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(f"{path} answered {answer[:200]!r}")
                latencies.append(now - sent[connection])
                sent[connection] = now
                connection.sendall(request)
        for connection in sent:
            connection.close()
    return latencies


def measure(targets: dict[str, tuple[int, str]], connections: int) -> dict[str, tuple[float, list[float]]]:
    """Per target: requests per second (the median of its rounds) and all latencies. Targets take turns, also at being first."""
    rates: dict[str, list[float]] = {name: [] for name in targets}
    latencies: dict[str, list[float]] = {name: [] for name in targets}
    with multiprocessing.get_context("spawn").Pool(1) as client:
        for port, path in targets.values():
            client.apply(load, (port, path, connections, WARM_UP_SECONDS))
        for turn in range(ROUNDS):
            for name in list(targets) if turn % 2 == 0 else list(targets)[::-1]:
                port, path = targets[name]
                seen = client.apply(load, (port, path, connections, ROUND_SECONDS))
                rates[name].append(len(seen) / ROUND_SECONDS)
                latencies[name] += seen
    return {name: (median(rates[name]), latencies[name]) for name in targets}


def main() -> None:
    if sys.argv[1:2] == ["--bare"]:
        Server("127.0.0.1", int(sys.argv[2]), BareService).run()
    console = Console()
    table = Table(title="serving one number: requests per second, latency in milliseconds")
    for name in ("connections", "route", "requests/s", "p50", "p99", "of bare"):
        table.add_column(name, justify="left" if name == "route" else "right")
    with tempfile.TemporaryDirectory(prefix="allora-bench-") as folder:
        with multiprocessing.get_context("spawn").Pool(1) as preparing:
            environment = preparing.apply(prepare, (Path(folder),))
        ours, bare = free_port(), free_port()
        targets = {"/inference/BTC": (ours, "/inference/BTC"), "bare Flask route": (bare, "/number")}
        inference = [sys.executable, "-m", "inference"]
        yardstick = [sys.executable, str(Path(__file__).resolve()), "--bare", str(bare)]
        with (
            served(inference, ours, environment | {"INFERENCE_PORT": str(ours)}, "/inference/BTC"),
            served(yardstick, bare, {}, "/number"),
        ):
            ratios = []
            for connections in CONNECTIONS:
                results = measure(targets, connections)
                bare_rate = results["bare Flask route"][0]
                ratios.append(results["/inference/BTC"][0] / bare_rate)
                for name, (rate, latencies) in results.items():
                    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
                    table.add_row(str(connections), name, f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{rate / bare_rate:.2f}")
    console.print(table)
    decision = "reached" if min(ratios) >= GOAL else "missed"
    console.print(f"goal: at least {GOAL} of the bare route's requests per second: {decision} ({min(ratios):.2f})")


if __name__ == "__main__":
    main()
