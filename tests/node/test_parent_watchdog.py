"""No process outlives the one that it works for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from node.parent_watchdog import ENDS_WITH
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.updater.test_process import wait_for_status

UPDATER = """
import threading
from tests.support.updater_stand_ins import train_for_long
from updater import trainer

trainer.train_in_process = train_for_long
list(trainer._in_parallel(["first", "second"], 2, threading.Event()))
"""
BACKTEST = """
from tests.support.updater_stand_ins import train_for_long
from forecasting.backtesting import run

run.attempt_in_process = train_for_long
list(run.run(None, ["first", "second"], 2))
"""
SWEEP = """
from types import SimpleNamespace
from tests.support.updater_stand_ins import train_for_long
from forecasting.backtesting import hyperparameter_search as sweep

sweep.attempt = lambda plan, number, values: train_for_long(["first", "second"][number])
list(sweep.search(SimpleNamespace(task=SimpleNamespace(model="birnn"), seed=0, trials=2), 2))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("program", [UPDATER, BACKTEST, SWEEP], ids=["updater", "backtest", "sweep"])
def test_training_processes_end_when_their_updater_was_killed(program: str, how: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert {parent.stdout.readline(), parent.stdout.readline()} == {"training first\n", "training second\n"}
        parent.send_signal(how)
        # The pipe is at its end once nobody who could write to it is left.
        assert parent.communicate(timeout=30)[0] == ""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP])
def test_what_make_run_started_ends_when_its_terminal_is_gone(tmp_path: Path, how: signal.Signals) -> None:
    """honcho starts each process in a session of its own, which hears of no terminal."""
    config, port = tmp_path / "config.json", free_port()
    config.write_text('{"worker": [{"topicId": 1}]}')
    (tmp_path / "Procfile").write_text("updater: python -m updater\ninference: python -m inference\n")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "CONFIG_FILE": str(config),
        "DATABASE_URL": f"sqlite:///{tmp_path}/node.db",
        "MODEL_STORE": str(tmp_path / "models"),
        "EXCHANGE_URLS": "http://127.0.0.1:9",
        "UPDATER_PORT": str(free_port()),
        "INFERENCE_PORT": str(port),
    }
    recipe = subprocess.run(["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"{ENDS_WITH}=$$ exec" in recipe
    command = ["sh", "-c", f"{ENDS_WITH}=$$ exec {sys.executable} -m honcho start"]
    with subprocess.Popen(command, cwd=tmp_path, env=os.environ | environment, stdout=subprocess.PIPE, text=True) as honcho:
        wait_for_status(port, 503)
        honcho.send_signal(how)
        # Whoever is left would still hold the pipe.
        said, _ = honcho.communicate(timeout=60)
    assert "Traceback" not in said
    assert "inference started" in said


def test_a_process_whose_starter_has_gone_before_does_not_even_begin(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    command = [sys.executable, "-m", "simulator.exchange", "--port", str(free_port())]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {ENDS_WITH: str(gone.pid)}, capture_output=True, check=False, timeout=60
    )
    assert done.returncode != 0 or not done.stderr


@pytest.mark.parametrize(("ignored", "ends"), [(False, True), (True, False)])
def test_a_terminal_that_is_gone_ends_inference_unless_it_was_started_to_stay(tmp_path: Path, ignored: bool, ends: bool) -> None:
    config, port = tmp_path / "config.json", free_port()
    config.write_text('{"worker": [{"topicId": 1}]}')
    environment = {"CONFIG_FILE": str(config), "DATABASE_URL": f"sqlite:///{tmp_path}/node.db", "INFERENCE_PORT": str(port)}
    command = [*(["nohup"] if ignored else []), sys.executable, "-m", "inference"]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as inference:
        try:
            wait_for_status(port, 503)
            inference.send_signal(signal.SIGHUP)
            if ends:
                assert inference.wait(20) == 0
            else:
                with pytest.raises(subprocess.TimeoutExpired):
                    inference.wait(2)
                wait_for_status(port, 503)
        finally:
            inference.terminate()
