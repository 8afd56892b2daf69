"""Whatever README and docs/ name exists: commands with their options, make's targets, files, links, variables, keys, metrics."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer.main

from cli.main import app
from node.environment import Settings
from tests.cli.test_documents import COMMANDS
from tests.node.test_documents import keys
from tests.support.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.name: page.read_text() for page in PAGES}

MADE_BY_RUNNING = {
    "build/fuzz/",
    "build/sbom.json",
    "data/",
    "models/",
    "secrets/",
    "secrets/mnemonic",
    "config.json",
    "demo/.env",
    "/health/live",
}
OF_THE_EXAMPLES = {"forecasting/models/patterns.py", "market/exchanges/bitstamp.py"}
OF_OTHERS = {"COMPOSE_PROFILES", "NO_COLOR", "PYTHON", "DEMO_SECONDS", "CANDLES", "COMMAND", "LAYER", "FILE", "DIR", "HEAD"}
"""Variables of other programs and of make, and words that stand for something."""

_SPAN = re.compile(r"`([^`]+)`")
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def code(text: str) -> list[str]:
    """What is set as code outside of fences: between backticks, and indented lines, each with its continuation."""
    text = _FENCE.sub("", text)
    lines = re.sub(r" \\\n *", " ", text).splitlines()
    return [re.sub(r"\s+", " ", span) for span in _SPAN.findall(text)] + [line[4:] for line in lines if line.startswith("    ")]


def command_of(words: list[str]) -> str:
    """The longest run of words that is a command or a group of commands."""
    names = set(COMMANDS) | {name.rpartition(" ")[0] for name in COMMANDS}
    found = "allora-node"
    while words and f"{found} {words[0]}" in names:
        found = f"{found} {words.pop(0)}"
    return found


@pytest.mark.parametrize("page", TEXTS)
def test_every_command_and_every_option_of_it_exists(page: str) -> None:
    everywhere = {option for parameter in typer.main.get_command(app).params for option in parameter.opts} | {"--help"}
    groups = {name.rpartition(" ")[0] for name in COMMANDS}
    for line in code(TEXTS[page]):
        for call in re.findall(r"\ballora-node((?: [^\s;&|)'\"#]+)*)", line):
            words = call.split()
            if words and words[0] == "COMMAND":
                continue
            name = command_of(words)
            assert name in COMMANDS or not words or words[0].startswith(("-", "…", "<")), f"allora-node{call}"
            assert name in COMMANDS or name in groups, name
            options = {option for parameter in getattr(COMMANDS.get(name), "params", []) for option in parameter.opts}
            for word in words:
                if word.startswith("--"):
                    assert word.partition("=")[0] in options | everywhere, f"allora-node{call}"


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for text in TEXTS.values() for line in code(text) for name in re.findall(r"(?:^|&& )make ([a-z]+)", line)}
    assert {"demo", "run", "install"} <= named <= targets


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", _FENCE.sub("", page.read_text()))
    for link in (one or other for one, other in links):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", TEXTS)
def test_every_file_that_is_named_exists(page: str) -> None:
    for span in _SPAN.findall(TEXTS[page]):
        if re.fullmatch(r"(?:[\w-]+/)+[\w.-]*|[\w-]+\.(?:py|js|md|toml|ya?ml|txt|env)|Makefile|Dockerfile|Procfile", span):
            there = (ROOT / span).exists() or (ROOT / "docs" / span).exists() or any(ROOT.glob(f"[a-z]*/**/{span}"))
            assert there or span in MADE_BY_RUNNING or span in OF_THE_EXAMPLES, span


def test_every_variable_that_is_named_exists() -> None:
    listed = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    composed = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    known = {name.upper() for name in Settings.model_fields} | listed | composed | OF_OTHERS
    for page, text in TEXTS.items():
        if page != "extending.md":
            named = {name for line in code(text) for name in re.findall(r"(?<![\w./$({])([A-Z]+(?:_[A-Z]+)+)\b", line)}
            assert named <= known, page


def test_every_key_of_config_json_that_is_named_exists() -> None:
    named = {
        name
        for text in TEXTS.values()
        for name in re.findall(r"`((?:wallet|updater|inference)\.[a-z]+[A-Z]?\w*)`", text)
        if not name.endswith(".py")
    }
    assert len(named) > 15
    assert named <= keys()


def test_every_metric_that_is_named_exists() -> None:
    """docs/metrics.md lists them all, and is held to the processes in tests/system/monitoring."""
    listed = set(re.findall(r"^\| `(\w+)`", TEXTS["metrics.md"], re.MULTILINE))
    named = {name for text in TEXTS.values() for name in re.findall(r"\ballora_(?:updater|inference|worker)_\w*[a-z]\b", text)}
    assert named - {name + part for name in listed for part in ("_bucket", "_sum", "_count")} <= listed


def test_readme_lists_every_page() -> None:
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= set(re.findall(r"\]\((docs/[\w-]+\.md)\)", TEXTS["README.md"]))


def test_the_architecture_has_every_folder_of_the_repository_and_no_other() -> None:
    rooms = re.findall(r"^\| `([a-z_]+)/` \|", TEXTS["architecture.md"], re.MULTILINE)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    assert sorted(rooms) == sorted([*packages, "benchmarks", "config", "deploy", "docs", "findings", "tests"])
    assert all((ROOT / room).is_dir() for room in rooms)
