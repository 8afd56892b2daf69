"""`make demo`: the whole node offline, on a simulated exchange and a simulated chain, in a folder that is thrown away.

The processes are those of the Procfile, started by honcho as `make run` starts them; only their environment differs. At the end
stands a table with one line per topic. Exit code 0 means that every topic was answered and had a submission accepted; topics
for which the exchange has no candles are shown as such and not asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from node.config import load_config
from node.environment import Settings, load_settings
from node.errors import ConfigError
from node.parent_watchdog import ENDS_WITH
from node.proxies import keep_loopback_direct, without_proxy
from node.start import exit_for, stop_on_signals
from node.terminal import write_plain_where_needed
from node.topics import Topic
from simulator.chain.others import NAME
from simulator.demo_environment import Ports, environment, make_wallet

PROCESSES = ("exchange", "chain", "updater", "inference", "worker")
END_SECONDS = 9.0
"""honcho gives its processes five seconds before it kills them."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the demo saw of one topic."""

    topic: Topic
    has_data: bool
    version: str
    skill: str
    answer: str
    others: str
    """The median of what the chain's other workers said of the newest settled window."""
    accepted: int

    @property
    def passed(self) -> bool:
        return not self.has_data or (bool(self.answer) and self.accepted > 0)


def _get(url: str) -> Any:
    """The JSON at `url`, or None while it cannot be had."""
    try:
        with without_proxy().open(url, timeout=2) as response:
            return json.load(response)
    except (OSError, ValueError):
        return None


def _has_data(topic: Topic, exchange_port: int) -> bool:
    """Asked of the exchange itself, not of the node that is being shown."""
    query = f"symbol={topic.task.symbol}&interval={topic.task.interval}&limit=1"
    return bool(_get(f"http://127.0.0.1:{exchange_port}/api/v3/klines?{query}") != [])


def _median_of_others(on_chain: dict[str, Any]) -> str:
    values = (on_chain.get("settled") or {}).get("values", {})
    said = [float(value) for worker, value in values.items() if worker.startswith(NAME)]
    return f"{statistics.median(said):.6g}" if said else ""


def observe(topics: tuple[Topic, ...], inference_url: str, simulators: Ports) -> list[Line]:
    """Ask exchange, inference and chain how every topic is doing."""
    served = {entry["topic_id"]: entry for entry in _get(f"{inference_url}/topics") or []}
    ledger = _get(f"http://127.0.0.1:{simulators.chain_http}/ledger") or {}
    accepted = Counter(int(entry["topic_id"]) for entry in ledger.get("submissions", []))
    lines = []
    for topic in topics:
        entry = served.get(topic.id, {})
        skill = entry.get("skill")
        lines.append(
            Line(
                topic=topic,
                has_data=_has_data(topic, simulators.exchange),
                version=entry.get("champion") or "",
                skill="" if skill is None else f"{skill:+.4f}",
                answer=str(entry["answer"]) if entry.get("ready") else "",
                others=_median_of_others(ledger.get("topics", {}).get(str(topic.id), {})),
                accepted=accepted[topic.id],
            )
        )
    return lines


def show(lines: list[Line], console: Console) -> None:
    """Print the table, one line per topic."""
    table = Table("topic", "champion", "skill", "answer", "others", "accepted", title="the demo's topics")
    for line in lines:
        task = line.topic.task
        name = f"{line.topic.id} {task.token} {task.target} {task.horizon}"
        if line.has_data:
            table.add_row(name, line.version or "none", line.skill, line.answer or "none", line.others or "–", str(line.accepted))
        else:
            table.add_row(name, f"no {task.interval} candles", "", "no data", line.others or "–", str(line.accepted))
    console.print(table)


def _prepare(folder: Path, candles: Path | None, ports: DemoPorts) -> dict[str, str]:
    """Make the demo's wallet in `folder`; the environment of its processes."""
    mnemonic = folder / "mnemonic"
    make_wallet(mnemonic)
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "DATABASE_URL": f"sqlite:///{folder}/node.db",
        "MODEL_STORE": str(folder / "checkpoints"),
        "INFERENCE_URL": f"http://127.0.0.1:{ports.inference}",
        "INFERENCE_PORT": str(ports.inference),
        "UPDATER_PORT": str(ports.updater),
        "WORKER_PORT": str(ports.worker),
        "EXCHANGE_PORT": str(ports.simulators.exchange),
        "CHAIN_PORT": str(ports.simulators.chain),
        "CHAIN_HTTP_PORT": str(ports.simulators.chain_http),
        "CANDLES": str(candles.resolve()) if candles else "",
        "PYTHONUNBUFFERED": "1",
        ENDS_WITH: str(os.getpid()),
    }
    return os.environ | environment("127.0.0.1", "127.0.0.1", mnemonic, ports.simulators) | own


@dataclass(frozen=True, slots=True)
class DemoPorts:
    """Where everything of one demo listens."""

    inference: int
    updater: int
    worker: int
    simulators: Ports


def choose_ports(settings: Settings) -> DemoPorts:
    """The node's usual ports where they are free and others where not; the simulators' are any, for nobody needs to know them."""
    wanted = (settings.inference_port, settings.updater_port, settings.worker_port, 0, 0, 0)
    with ExitStack() as all_at_once:  # held together, so that none is chosen twice
        inference, updater, worker, *simulators = (all_at_once.enter_context(_listener(port)).getsockname()[1] for port in wanted)
    return DemoPorts(inference, updater, worker, Ports(*simulators))


def _listener(port: int) -> socket.socket:
    """A socket bound to the port, or to any free one if that is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    return listener


def _end(honcho: subprocess.Popen[bytes]) -> None:
    honcho.send_signal(signal.SIGTERM)
    try:
        honcho.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(honcho.pid, signal.SIGKILL)


def run_demo(seconds: int | None, candles: Path | None, stop: threading.Event) -> int:
    """Run until `seconds` have passed, `stop` is set or a process ends; the exit code."""
    console = Console() if sys.stdout.isatty() else Console(width=100)
    settings = load_settings()
    topics = load_config(settings.config_file).topics(settings.inference_url)
    if candles is not None and not candles.is_dir():
        raise ConfigError(f"{candles} is not a folder", hint="CANDLES names a folder of Parquet files with recorded candles.")
    ports = choose_ports(settings)
    folder = Path(tempfile.mkdtemp(prefix="allora-demo-"))
    inference_url = f"http://127.0.0.1:{ports.inference}"
    if ports.inference != settings.inference_port:
        console.print(f"Port {settings.inference_port} is taken by another program; the demo uses {ports.inference} instead.")
    console.print(f"The demo runs {f'for {seconds} seconds' if seconds else 'until Ctrl-C'}; answers are at {inference_url}/topics")
    try:
        # honcho would let .env win over what the demo says, down to the chain and the wallet; the processes read it themselves.
        environment = _prepare(folder, candles, ports)
        command = [sys.executable, "-m", "honcho", "start", "--env", os.devnull, *PROCESSES]
        honcho = subprocess.Popen(command, env=environment, start_new_session=True, stdin=subprocess.DEVNULL)
        waited = 0.0
        while honcho.poll() is None and not stop.is_set() and (seconds is None or waited < seconds):
            stop.wait(0.5)
            waited += 0.5
        died = honcho.poll() is not None
        lines = observe(topics, inference_url, ports.simulators)
        if not died:
            _end(honcho)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(lines, console)
    if died:
        console.print("[red]A process of the node ended by itself; its last lines are above.[/red]")
        return 1
    failed = [str(line.topic) for line in lines if not line.passed]
    if failed:
        console.print(f"Without an answer or an accepted submission: {', '.join(failed)}")
    interrupted = seconds is None
    return 0 if interrupted or not failed else 1


def main(
    seconds: Annotated[int | None, typer.Option(help="End by itself after this many seconds.", min=1)] = None,
    candles: Annotated[Path | None, typer.Option(help="Folder of recorded candles to replay, re-dated to now.")] = None,
) -> None:
    """Run the whole node offline, on a simulated exchange and chain."""
    write_plain_where_needed()
    keep_loopback_direct()
    try:
        code = run_demo(seconds, candles, stop_on_signals())
    except ConfigError as error:
        exit_for(error)
    sys.exit(code)


if __name__ == "__main__":
    typer.run(main)
