"""DATABASE_URL: what no node can use is refused before anything is opened."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from node.database import open_database
from node.database_url import DRIVERS, database_url
from node.environment import load_settings
from node.errors import ConfigError
from tests.support.errors import error_text
from tests.support.paths import ROOT
from tests.support.ports import free_port


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("not a url", "not a database URL"),
        ("mysql://u:hidden-word@h/d", "mysql databases are not supported"),
        ("sqlite://", "in memory"),
        ("sqlite:///", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file::memory:?uri=true", "in memory"),
        ("sqlite:///file:x?cache=shared&mode=memory&uri=true", "in memory"),
        ("sqlite://data/node.db", "write sqlite:///data/node.db"),
        ("sqlite+aiosqlite:///data/node.db", "aiosqlite is not supported"),
        ("postgresql+asyncpg://u:hidden-word@h/d", "asyncpg is not supported"),
        ("postgresql://u:hidden-word@h:port/d", "write postgresql://"),
        ("postgresql://u:hidden-word@h:0/d", "write postgresql://"),
    ],
)
def test_a_database_that_no_node_can_use_is_refused_by_its_variable_and_without_its_password(
    url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ConfigError, match="DATABASE_URL: ") as caught:
        load_settings()
    assert said in caught.value.message
    assert "hidden-word" not in error_text(caught.value)
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        open_database(url)


def test_the_name_that_other_programs_use_for_postgresql_is_understood() -> None:
    assert database_url("postgres://u:p@h:5432/d") == "postgresql://u:p@h:5432/d"
    assert database_url("postgresql+psycopg://h/d") == "postgresql+psycopg://h/d"


@pytest.mark.parametrize("url", ["postgresql://h/d", "postgresql+psycopg://h/d", "postgresql+pg8000://h/d"])
def test_a_driver_that_is_not_installed_is_named_with_what_brings_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.database_url.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="needs the driver") as caught:
        open_database(url)
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize("process", ["updater", "inference"])
def test_a_process_that_needs_a_driver_ends_at_once_with_exit_code_two(process: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"worker": [{"topicId": 1}]}')
    driver = next(name for name in DRIVERS["postgresql"] if find_spec(name) is None)
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": f"postgresql+{driver}://u:hidden-word@h/d",
        "INFERENCE_PORT": str(free_port()), "UPDATER_PORT": str(free_port()),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", process], check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110
    )
    assert (done.returncode, "Traceback" in done.stderr, "hidden-word" in done.stderr) == (2, False, False)
    assert f"needs the driver {driver}" in done.stderr
