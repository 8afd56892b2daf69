"""Twenty topics on one wallet: how many windows are answered, and how long after they opened.

Chain, inference and worker are processes of their own, as in the demo. The chain opens a window of every topic every twelve blocks,
one right after the other, so the wallet has twenty transactions to send in each twelve blocks. The yardstick is the chain's own: an
answer cannot be in a block sooner than one block after its window opened. With --fault-share random faults befall transactions.

    python benchmarks/submitting.py [--block-seconds 0.25] [--windows 50] [--topics 20] [--fault-share 0.0] [--kills 0]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mnemonic import Mnemonic

from worker.topic import SAFE_BLOCKS, SAFE_SECONDS

ROOT = Path(__file__).parents[1]
TOPICS = (1, 3, 8, 9, 13, 14, 18, 37, 38, 41, 42, 58, 61, 62, 63, 64, 69, 72, 73, 77, 79, 80, 83, 84)
WINDOW_BLOCKS = 12
INFERENCE = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import sys
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"0.0123"
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(*command: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        running = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output)
        try:
            yield running
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGTERM)
                try:
                    running.wait(6)
                except subprocess.TimeoutExpired:
                    running.kill()
                    running.wait()


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def write_node(folder: Path, topics: tuple[int, ...]) -> None:
    words = folder / "mnemonic"
    words.touch(mode=0o600)
    words.write_text(Mnemonic("english").generate())
    content = {"wallet": {"mnemonicFile": str(words), "submitTx": True}, "worker": [{"topicId": number} for number in topics]}
    (folder / "config.json").write_text(json.dumps(content))


def wait_for(ledger_url: str, is_enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    while True:
        with contextlib.suppress(OSError):
            ledger = get(ledger_url)
            if is_enough(ledger):
                return ledger
        time.sleep(1.0)


def drive(arguments: argparse.Namespace, ledger_url: str, log: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Run the worker until enough windows have passed since every topic was answered once, killing it now and then."""
    blocks = (arguments.windows + 2) * WINDOW_BLOCKS

    def started(ledger: dict[str, Any]) -> bool:
        return len({entry["topic_id"] for entry in ledger["submissions"]}) == arguments.topics

    with process("-m", "worker", log=log, **environment) as worker:
        end = wait_for(ledger_url, started)["height"] + blocks
        pause = blocks * arguments.block_seconds / (arguments.kills + 1)
        if arguments.kills:
            time.sleep(pause)
            worker.kill()
        else:
            return wait_for(ledger_url, lambda ledger: ledger["height"] >= end)
    for _ in range(arguments.kills - 1):
        with process("-m", "worker", log=log, **environment) as worker:
            time.sleep(pause)
            worker.kill()
    with process("-m", "worker", log=log, **environment):
        return wait_for(ledger_url, lambda ledger: ledger["height"] >= end)


def run(arguments: argparse.Namespace, folder: Path) -> None:
    topics = TOPICS[: arguments.topics]
    write_node(folder, topics)
    port, http_port, inference_port = free_port(), free_port(), free_port()
    environment = {
        "CONFIG_FILE": str(folder / "config.json"),
        "INFERENCE_URL": f"http://127.0.0.1:{inference_port}",
        "CHAIN_GRPC_URL": f"grpc+http://127.0.0.1:{port}",
        "CHAIN_WEBSOCKET_URL": f"ws://127.0.0.1:{http_port}/websocket",
        "CHAIN_ID": "localnet",
        "WORKER_PORT": str(free_port()),
    }
    chain = ["--port", str(port), "--http-port", str(http_port), "--topics", ",".join(map(str, topics))]
    chain += ["--block-seconds", str(arguments.block_seconds), "--window-blocks", str(WINDOW_BLOCKS)]
    chain += ["--fault-share", str(arguments.fault_share), "--seed", str(arguments.seed)]
    log = folder / "worker.log"
    with (
        process("-m", "simulator.chain", *chain, log=folder / "chain.log"),
        process("-c", INFERENCE, str(inference_port), log=folder / "inference.log"),
    ):
        ledger = drive(arguments, f"http://127.0.0.1:{http_port}/ledger", log, environment)
    report(arguments, topics, ledger, log.read_text())


def report(arguments: argparse.Namespace, topics: tuple[int, ...], ledger: dict[str, Any], log: str) -> None:
    """`windows` windows of each topic after its first answer, and what became of each."""
    answers: dict[tuple[int, int], dict[str, Any]] = {}
    twice = 0
    for entry in ledger["submissions"]:
        key = (entry["topic_id"], entry["nonce"])
        twice += key in answers
        answers[key] = entry
    lines = re.findall(r"block=(\d+) .*?outcome=(\w+).*?topic=(\d+)", log)
    named = {(int(topic), int(block)): outcome for block, outcome, topic in lines}
    wanted, accepted, silent, waits = 0, 0, 0, []
    missed: Counter[str] = Counter()
    for topic in topics:
        nonces = [nonce for number, nonce in answers if number == topic]
        first = min(nonces, default=0) + WINDOW_BLOCKS  # the first was open already when the worker started
        for nonce in range(first, first + arguments.windows * WINDOW_BLOCKS, WINDOW_BLOCKS):
            wanted += 1
            entry = answers.get((topic, nonce))
            if entry is not None:
                accepted += 1
                waits.append((entry["time_ms"] - entry["opened_ms"]) / 1000)
            elif (topic, nonce) in named:
                missed[named[topic, nonce]] += 1
            else:
                silent += 1
    codes = Counter(entry["code"] for entry in ledger["refused"])
    waits.sort()
    windows = f"windows of {WINDOW_BLOCKS} blocks of {arguments.block_seconds} s"
    print(f"{len(topics)} topics, one wallet, {windows}, faults on {arguments.fault_share:.0%}, {arguments.kills} kills")
    print(f"accepted            {accepted} of {wanted}; answered twice {twice}")
    unnamed = "while the worker was dead" if arguments.kills else "without a name"
    print(f"not accepted        {dict(missed) or 'none'}; {unnamed} {silent}")
    high = waits[int(len(waits) * 0.99) - 1]
    print(f"opening to in block p50 {statistics.median(waits):.2f} s, p99 {high:.2f} s, max {waits[-1]:.2f} s")
    safe = max(SAFE_BLOCKS * arguments.block_seconds, SAFE_SECONDS)
    waited = max(0.0, WINDOW_BLOCKS * arguments.block_seconds - safe)
    print(f"soonest possible    {arguments.block_seconds:.2f} s; the worker waits {waited:.2f} s on purpose, for a fresher answer")
    print(f"refused on the way  {dict(codes) or 'nothing'} (code: count)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--block-seconds", type=float, default=0.25, help="the network takes 5; half a second doubles the run")
    parser.add_argument("--windows", type=int, default=50)
    parser.add_argument("--topics", type=int, default=20)
    parser.add_argument("--fault-share", type=float, default=0.0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="leave the logs in this folder")
    arguments = parser.parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        run(arguments, arguments.keep)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(arguments, Path(folder))


if __name__ == "__main__":
    main()
