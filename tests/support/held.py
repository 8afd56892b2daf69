"""What a process holds of the machine, and whether it gives all of it back when a part of the node is stopped."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SETTLING_SECONDS: Final = 2.0
"""A thread that has been waited for still needs a moment to leave the kernel's list."""


@dataclass(frozen=True)
class Held:
    """What a process holds of the machine."""

    megabytes: float
    descriptors: int
    threads: int

    @classmethod
    def by(cls, pid: int) -> Held:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(status["VmRSS"].split()[0]) / 1024, descriptors, int(status["Threads"]))


def held_by_cycles(cycle: Callable[..., None], *arguments: object, cycles: int) -> list[tuple[int, int]]:
    """Descriptors and threads of a fresh process before the first and after each of `cycles` runs of `cycle(*arguments)`.

    It is a process of its own so that nothing of other tests is counted; `cycle` runs on its main thread. CYCLES in the environment
    says how many instead.
    """
    count = int(os.environ.get("CYCLES", cycles))
    # Left without a goodbye: some libraries take the interpreter many seconds to tear down.
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(_repeat, (cycle, arguments, count))


def _repeat(cycle: Callable[..., None], arguments: tuple[object, ...], count: int) -> list[tuple[int, int]]:
    held = [_held()]
    for _ in range(count):
        cycle(*arguments)
        end = time.monotonic() + SETTLING_SECONDS
        while (now := _held()) != held[-1] and time.monotonic() < end:
            time.sleep(0.01)
        held.append(now)
    return held


def _held() -> tuple[int, int]:
    held = Held.by(os.getpid())
    return held.descriptors, held.threads
