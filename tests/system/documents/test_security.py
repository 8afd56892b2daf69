"""docs/security.md claims nothing without a test, and SECURITY.md invents nothing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from node.environment import Settings
from tests.inference.conftest import Node
from tests.support.paths import ROOT

ROOMS = ("node", "market", "forecasting", "model_store", "updater", "inference", "worker", "cli")
PAGE = (ROOT / "docs/security.md").read_text()
FORBIDDEN = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
READ_AS_CODE = {"eval", "exec", "torch.load", "joblib.load", "np.load", "pd.read_pickle", "yaml.load", "yaml.unsafe_load"}


def test_every_claim_about_security_names_a_test_that_exists() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    claimed = re.findall(r"`(test_\w+)`", PAGE)
    assert len(claimed) > 50
    assert [name for name in claimed if f"def {name}(" not in sources] == []
    rows = [line for line in PAGE.splitlines() if re.match(r"\| (?!attempt|from where|what is stolen|-)", line)]
    assert [row for row in rows if "`test_" not in row.split("|")[-2]] == []


def test_reporting_names_no_address_of_mail_and_no_site() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    assert "private advisory" in text
    assert re.findall(r"\S+@\S+|https?://\S+", text) == []


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_from_disk_is_unpickled_or_evaluated(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & FORBIDDEN, path
            assert not (isinstance(node, ast.Call) and ast.unparse(node.func) in READ_AS_CODE), path


def test_without_a_word_every_process_listens_on_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INFERENCE_HOST", "STATUS_HOST"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings(_env_file=None)
    assert {settings.inference_host, settings.status_host} == {"127.0.0.1"}


def test_no_route_changes_anything(tmp_path: Path) -> None:
    node = Node(tmp_path, [3])
    try:
        rules = list(node.client.application.url_map.iter_rules())
        assert len(rules) > 10
        assert set().union(*(rule.methods or set() for rule in rules)) == {"GET", "HEAD", "OPTIONS"}
    finally:
        node.engine.dispose()
