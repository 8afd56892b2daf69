"""Every row of the fault table names a test that exists, and quotes what the node really says."""

from __future__ import annotations

import re

from tests.support.paths import ROOT
from tests.system.documents.test_troubleshooting import SEEN as EXPLAINED
from tests.system.documents.test_troubleshooting import complaints, is_in_code

PAGE = (ROOT / "docs/reliability.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| (?!fault )", line)]
FEWEST_ROWS = 40


def test_the_fault_table_has_its_rows_and_each_names_one_test() -> None:
    assert len(ROWS) >= FEWEST_ROWS
    assert [row for row in ROWS if not re.search(r"`test_\w+`$", row[-1])] == []


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert {name for name in named if not re.search(rf"def {name}\(", sources)} == set()


def test_every_line_of_the_log_that_the_page_quotes_is_said() -> None:
    quoted = set(re.findall(r"\blog `([^`]+)`", PAGE))
    assert len(quoted) > 20
    assert {line for line in quoted if not is_in_code(line)} == set()
    assert {line for line in quoted & complaints() if f"`{line}`" not in EXPLAINED} == set()


def test_every_code_and_outcome_that_the_page_names_is_explained() -> None:
    named = set(re.findall(r"\b(?:code|outcome) `(\w+)`", PAGE))
    assert named
    assert {name for name in named if f"`{name}`" not in EXPLAINED} == set()
