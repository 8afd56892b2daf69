"""A training process does not outlive the updater that started it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
UPDATER = """
import threading
from tests.updater.stand_ins import train_for_long
from updater import trainer

trainer.hold = train_for_long
list(trainer._in_parallel(["first", "second"], 2, threading.Event()))
"""


def test_training_processes_end_when_their_updater_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", UPDATER], cwd=ROOT, stdout=subprocess.PIPE, text=True) as updater:
        assert updater.stdout is not None
        assert {updater.stdout.readline(), updater.stdout.readline()} == {"training first\n", "training second\n"}
        updater.kill()
        # The pipe is at its end once nobody who could write to it is left.
        assert updater.communicate(timeout=30)[0] == ""
