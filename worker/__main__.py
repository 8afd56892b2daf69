"""`python -m worker`."""

from __future__ import annotations

import asyncio

from node.clock import SystemClock
from node.config import ConfigFile
from node.settings import Settings
from node.start import start
from worker.service import Worker


def run(settings: Settings, config: ConfigFile) -> None:
    """Run the worker until SIGTERM."""
    asyncio.run(Worker(settings, config, SystemClock()).run())


if __name__ == "__main__":
    start("worker", run)
