"""`python -m worker`: submit to every topic of config.json, or show what would be submitted."""

from __future__ import annotations

import logging
import os

from node.config import ConfigFile
from node.environment import Settings
from node.start import start
from worker.service import Worker


def run(settings: Settings, config: ConfigFile) -> int:
    """Work until told to stop; the exit code."""
    code = Worker(settings, config).run()
    # All is closed. Tearing down the network package's thousands of classes would take the interpreter seconds more.
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    start("worker", run)
