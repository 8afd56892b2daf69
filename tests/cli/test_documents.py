"""docs/commands.md and the command are held together, and every command's help teaches."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.main import app
from tests.cli.test_command import ROOT, allora_node

DOCUMENT = ROOT / "docs/commands.md"


def commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


COMMANDS = dict(commands(typer.main.get_command(app), "allora-node"))


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    assert set(re.findall(r"^\| `(allora-node [^`]+)`", DOCUMENT.read_text(), re.MULTILINE)) == set(COMMANDS)


def test_the_commands_that_print_json_are_those_the_document_names() -> None:
    printing = {
        name.removeprefix("allora-node ")
        for name, command in COMMANDS.items()
        for option in command.params
        if "--json" in option.opts and option.is_flag
    }
    text = re.search(r"standard output: (.+?) have it", DOCUMENT.read_text(), re.DOTALL)
    assert text is not None
    assert set(re.split(r",\s+|\s+and\s+", text[1])) == printing


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_option_of_it_is_explained(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    for option in command.params:
        assert getattr(option, "help", None), f"{name}: {option.name}"


def test_help_needs_nothing_but_what_every_container_has() -> None:
    """So that it is there at once, and everywhere."""
    heavy = (
        "numpy",
        "pandas",
        "torch",
        "onnxruntime",
        "plotly",
        "allora_sdk",
        "flask",
        "requests",
        "optuna",
        "pyarrow",
        "sqlalchemy",
    )
    code = f"import sys; sys.modules.update(dict.fromkeys({heavy!r}))\nsys.argv[1:] = ['--help']\nfrom cli.main import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "status" in done.stdout) == (0, True), done.stderr


def test_colours_are_for_terminals_that_want_them() -> None:
    forced = allora_node("status", FORCE_COLOR="1").stdout
    refused = allora_node("status", FORCE_COLOR="1", NO_COLOR="1").stdout
    assert ("\x1b[31m" in forced, "\x1b[31m" in refused) == (True, False)


def test_completion_knows_the_commands() -> None:
    command = Path(sys.executable).with_name("allora-node")
    asked = {"_ALLORA_NODE_COMPLETE": "complete_bash", "COMP_WORDS": "allora-node st", "COMP_CWORD": "1"}
    done = subprocess.run([command], env=os.environ | asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["status"]
