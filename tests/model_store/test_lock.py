"""Whoever waits for the store's lock says who holds it, and writes when it is free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from model_store import durable
from model_store.durable import exclusive
from tests.support.paths import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from model_store.durable import exclusive
from tests.support.paths import ROOT

with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(90)
"""


def test_a_suspended_holder_of_the_lock_is_said_by_whoever_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "SAY_AFTER_SECONDS", 0.2)
    written = threading.Event()

    def write() -> None:
        with exclusive(tmp_path / ".lock"):
            written.set()

    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / ".lock")], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGSTOP)
        waiting = threading.Thread(target=write)
        with capture_logs() as logs:
            waiting.start()
            while not logs:
                waiting.join(0.05)
        assert (logs[0]["event"], logs[0]["holder"]) == ("another process holds the lock of the models", str(holder.pid))
        assert not written.is_set()
        os.kill(holder.pid, signal.SIGKILL)
        assert written.wait(30)
        waiting.join()
    assert len(logs) == 1, "it is said once a minute"
