"""Each script of findings/ says what it shows, pins what it installs, and stands in the table. Running them takes pip's index."""

from __future__ import annotations

import os
import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FOLDER = ROOT / "findings"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
TABLE = (FOLDER / "README.md").read_text()
HEAD = ("What", "Why it surprises", "Versions", "What to do")


def installed(script: str) -> list[str]:
    """What the script has pip install, options left out."""
    calls = re.findall(r"bin/pip\" install (.+)", script.replace("\\\n", " "))
    return [word for call in calls for word in shlex.split(call.removesuffix(" || exit 2")) if not word.startswith("--")]


def head(script: str) -> list[str]:
    """The paragraphs of the comment between the first line and the first command; each begins with its name and a colon."""
    comment = "\n".join(takewhile(lambda line: line.startswith("#"), script.splitlines()[1:]))
    return re.split(r"^# (?=\S)", comment, flags=re.MULTILINE)[1:]


def test_the_table_lists_every_script_and_nothing_else() -> None:
    assert SCRIPTS
    assert re.findall(r"^\| `([\w.-]+)` \|", TABLE, re.MULTILINE) == [path.name for path in SCRIPTS]
    assert {path.name for path in FOLDER.iterdir()} == {"README.md", *(path.name for path in SCRIPTS)}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_finding_runs_by_itself_and_leaves_nothing_behind(path: Path) -> None:
    script = path.read_text()
    assert os.access(path, os.X_OK)
    assert script.startswith("#!/usr/bin/env bash\n")
    commands = [line for line in script.splitlines() if not line.startswith("#")]
    assert commands[:3] == ["set -euo pipefail", "folder=$(mktemp -d)", "trap 'rm -rf \"$folder\"' EXIT"]
    assert "sys.exit(0 if " in commands[-2]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_finding_says_what_it_shows_and_what_to_do(path: Path) -> None:
    parts = dict(part.split(": ", 1) for part in head(path.read_text()))
    assert tuple(parts) == HEAD
    assert all(len(part.split()) >= 4 for part in parts.values())


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_finding_pins_every_package_it_installs(path: Path) -> None:
    packages = installed(path.read_text())
    assert packages
    assert [package for package in packages if not re.fullmatch(r"[\w.-]+==\d[\w.]*", package)] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_table_names_the_versions_that_the_script_installs(path: Path) -> None:
    row = next(line for line in TABLE.splitlines() if line.startswith(f"| `{path.name}` |"))
    named = row.split(" | ")[1].split(", ")
    assert set(named) <= {package.replace("==", " ") for package in installed(path.read_text())}
