"""Readers while champions change, on a folder they cannot write to, and two writers at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model_store.store import ModelStore
from node.clock import ManualClock
from tests.support.paths import ROOT
from tests.support.tiny_models import BTC, tiny_graph, tiny_metadata

SWAPS = 100


def test_readers_get_a_verified_champion_while_it_changes_a_hundred_times(store: ModelStore) -> None:
    graphs = {}

    def swap(number: int) -> None:
        answer = number / 1000
        version = store.publish(BTC, graph=tiny_graph(answer), weights=b"w", metadata=tiny_metadata(BTC, answer)).version
        graphs[version] = tiny_graph(answer)
        store.promote(BTC, version, "better")
        store.prune(BTC, 1)

    swap(0)
    done = threading.Event()

    def read() -> set[str]:
        seen = set()
        while not done.is_set():
            champion = store.champion(BTC)
            assert champion.graph == graphs[champion.name]
            seen.add(champion.name)
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for number in range(1, SWAPS + 1):
                swap(number)
        finally:
            done.set()
        seen = set.union(*(reader.result() for reader in readers))
    assert len(seen) > 1
    assert len(store.versions(BTC)) == 2


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def write(writer: int) -> list[str]:
        store = ModelStore(tmp_path, ManualClock())
        names = []
        for number in range(5):
            answer = writer + number / 10
            names.append(store.publish(BTC, graph=tiny_graph(answer), weights=b"w", metadata=tiny_metadata(BTC, answer)).version)
            store.promote(BTC, names[-1], "better")
        return names

    with ThreadPoolExecutor(4) as pool:
        written = [name for names in pool.map(write, range(4)) for name in names]
    store = ModelStore(tmp_path, ManualClock())
    assert sorted(written, reverse=True) == store.versions(BTC)
    pointer = store.pointer(BTC)
    assert pointer is not None
    assert {entry.version for entry in (pointer.champion, *pointer.former)} == set(written)


READ = """
import os, sys
from pathlib import Path
from model_store.store import ModelStore
from node.clock import ManualClock
from tests.support.tiny_models import BTC
from tests.support.paths import ROOT
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
def forbid(event, arguments):
    changes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
    if changes or event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "fcntl.flock"):
        raise PermissionError(f"a reader did {event} {arguments}")
store = ModelStore(Path(sys.argv[1]), ManualClock())
sys.addaudithook(forbid)
print(store.champion(BTC).name, store.champion_version(BTC), store.tasks() == [BTC], len(store.history(BTC)), flush=True)
"""


def test_a_reader_writes_nothing_and_takes_no_lock(store: ModelStore) -> None:
    version = store.publish(BTC, graph=tiny_graph(0.1), weights=b"w", metadata=tiny_metadata(BTC, 0.1)).version
    store.promote(BTC, version, "first")
    command = [sys.executable, "-c", READ, str(store.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == [version, version, "True", "1"], done.stderr
