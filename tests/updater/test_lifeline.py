"""A training process does not outlive the updater that started it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAINING = """
import os, time
from updater.lifeline import end_with
end_with(os.getppid())
print("begun", flush=True)
time.sleep(60)
"""
UPDATER = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {TRAINING!r}])
time.sleep(60)
"""


def test_a_process_ends_when_the_one_that_started_it_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", UPDATER], cwd=ROOT, stdout=subprocess.PIPE, text=True) as updater:
        assert updater.stdout is not None
        assert updater.stdout.readline() == "begun\n"
        updater.kill()
        # The pipe is at its end once nobody who could write to it is left.
        assert updater.stdout.read() == ""
