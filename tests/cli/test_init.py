"""`allora-node init`: from an empty folder to a node that can be started."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from mnemonic import Mnemonic

from node.config import load_config
from tests.cli.test_command import ROOT

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def init(folder: Path, *arguments: str, words: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "init", *arguments]
    return subprocess.run(
        command, check=False, cwd=folder, env=ENVIRONMENT, input=words, capture_output=True, text=True, timeout=60
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_writes_a_config_that_loads_and_a_wallet_nobody_else_can_read_and_says_what_is_next(tmp_path: Path) -> None:
    done = init(tmp_path, "--topic", "1,3", "--submit", "--wallet", "new")
    assert done.returncode == 0, done.stderr
    config = load_config(tmp_path / "config.json")
    assert ([entry.topic_id for entry in config.worker], config.wallet.submit_tx) == ([1, 3], True)
    words = (tmp_path / "secrets/mnemonic").read_text()
    assert Mnemonic("english").check(words.strip())
    assert (mode(tmp_path / "secrets"), mode(tmp_path / "secrets/mnemonic")) == (0o700, 0o600)
    # Not a terminal: whoever reads the output later must not find the words.
    assert words.strip() not in done.stdout + done.stderr
    assert "secrets/mnemonic: allo1" in done.stdout
    assert done.stdout.index("send ALLO") < done.stdout.index("allora-node check") < done.stdout.index("make run")


def test_what_is_there_is_never_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"worker": [{"topicId": 37}]}')
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/mnemonic").write_text("precious")
    before = (tmp_path / "config.json").read_text()

    refused = init(tmp_path, "--topic", "1")
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    kept = init(tmp_path, "--wallet", "new")
    assert (kept.returncode, "stays as it is" in kept.stdout) == (0, True)
    assert (tmp_path / "config.json").read_text() == before

    assert init(tmp_path, "--topic", "1", "--force", "--wallet", "new").returncode == 0
    assert load_config(tmp_path / "config.json").worker[0].topic_id == 1
    assert (tmp_path / "config.json.old").read_text() == before
    assert (tmp_path / "secrets/mnemonic").read_text() == "precious"


def test_a_linked_config_is_replaced_where_it_really_lies(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.json").write_text('{"worker": [{"topicId": 37}]}')
    (tmp_path / "config.json").symlink_to("config/config.json")
    assert init(tmp_path, "--topic", "3", "--force").returncode == 0
    assert (tmp_path / "config.json").is_symlink()
    written = json.loads((tmp_path / "config/config.json").read_text())
    assert (written["worker"], written["$schema"]) == ([{"topicId": 3}], "../docs/config.schema.json")


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--topic", "4711"], "4711"), (["--topic", "one"], "--topic"), (["--network", "moon"], "testnet")]
)
def test_what_would_not_load_is_not_written(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = init(tmp_path, *arguments)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    assert list(tmp_path.iterdir()) == []


def test_words_are_imported_from_standard_input_and_wrong_ones_leave_no_file(tmp_path: Path) -> None:
    wrong = init(tmp_path, "--topic", "1", "--wallet", "import", words="not a mnemonic")
    assert (wrong.returncode, (tmp_path / "secrets/mnemonic").exists()) == (1, False)
    words = Mnemonic("english").generate()
    assert init(tmp_path, "--wallet", "import", words=words).returncode == 0
    assert (tmp_path / "secrets/mnemonic").read_text().strip() == words


def test_who_has_words_in_an_old_config_is_shown_the_way_to_keep_them(tmp_path: Path) -> None:
    words = Mnemonic("english").generate()
    (tmp_path / "config.json").write_text(json.dumps({"wallet": {"addressRestoreMnemonic": words}, "worker": [{"topicId": 1}]}))
    done = init(tmp_path, "--topic", "1", "--submit", "--force")
    assert "config.json.old holds a mnemonic; allora-node wallet import takes its words" in done.stdout
    assert words not in done.stdout + done.stderr
    assert json.loads((tmp_path / "config.json.old").read_text())["wallet"]["addressRestoreMnemonic"] == words


def test_on_a_terminal_it_asks_for_what_was_left_open(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "cli.main", "init"]
    child = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = ""
    answers = {"Network": "", "Topics, with commas": "14", "Submit answers": "n", "Wallet:": ""}
    try:
        while select.select([ours], [], [], 60)[0]:
            try:
                said += os.read(ours, 4096).decode(errors="replace")
            except OSError:
                break
            for question in [each for each in answers if f"{each}" in said and said.rstrip().endswith(("]:", "]: "))]:
                os.write(ours, f"{answers.pop(question)}\n".encode())
        assert child.wait(30) == 0, said
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    assert answers == {}
    assert load_config(tmp_path / "config.json").worker[0].topic_id == 14
    assert not (tmp_path / "secrets").exists()
