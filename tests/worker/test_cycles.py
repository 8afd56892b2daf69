"""The worker started and stopped again and again in one process."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pytest_httpserver import HTTPServer

from node.config import ConfigFile
from node.environment import Settings
from tests.support.held import held_by_cycles
from tests.worker.conftest import SOON, RunningWorker, wait_until
from tests.worker.test_process import RunChain
from worker.service import Worker

WARM_UP = 2
"""What the network's package opens for as long as the process lives is open by then."""


def work_once(settings: Settings) -> None:
    """What `python -m worker` does until it is told to stop, which it is once a window has ended in one way or another."""
    worker = Worker(settings, ConfigFile(settings.config_file), SOON)

    def windows() -> float:
        samples = [sample for metric in worker.registry.collect() for sample in metric.samples]
        return sum(sample.value for sample in samples if sample.name == "allora_worker_submissions_total")

    def stop() -> None:
        try:
            wait_until(windows)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as aside:
        stopped = aside.submit(stop)
        worker.run()
        stopped.result()


def test_a_worker_that_is_stopped_gives_back_every_thread_and_descriptor(
    tmp_path: Path, run_chain: RunChain, inference: HTTPServer
) -> None:
    chain = run_chain(1)
    settings = RunningWorker(tmp_path, chain.environment, inference.url_for("").rstrip("/"), 1).settings
    held = held_by_cycles(work_once, settings, cycles=5)
    assert len(set(held[WARM_UP:])) == 1, held
