"""The wallet's file: made once, readable by its owner alone, and never shown."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from cli.main import app
from node.config import parse_config
from node.environment import Settings
from node.errors import WalletError
from node.secrets import Secret, hide
from tests.support.errors import error_text
from worker.wallet import load_wallet, new_words, read_wallet, write_wallet

WORDS = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
ADDRESS = "allo19rl4cm2hmr8afy4kldpxz3fka4jguq0ajnh7gv"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"wallet": {"mnemonicFile": str(tmp_path / "secrets/mnemonic")}, "worker": [{"topicId": 1}]}))
    monkeypatch.setenv("CONFIG_FILE", str(file))
    monkeypatch.delenv("ALLORA_MNEMONIC_FILE", raising=False)
    return tmp_path / "secrets/mnemonic"


def test_a_new_wallet_lies_in_a_file_of_its_owner_alone_and_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "deep/er/mnemonic"
    wallet = write_wallet(file, new_words())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(read_wallet(file).address()) == str(wallet.address())


def test_a_wallet_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "mnemonic"
    write_wallet(file, Secret(WORDS))
    with pytest.raises(WalletError, match="exists already"):
        write_wallet(file, new_words())
    assert file.read_text().strip() == WORDS


def test_words_in_other_spacing_and_case_are_the_same_wallet(tmp_path: Path) -> None:
    file = tmp_path / "mnemonic"
    file.write_text("  " + WORDS.replace(" ", "\n").upper() + "\r\n")
    file.chmod(0o600)
    assert str(read_wallet(file).address()) == ADDRESS


WRITTEN = {
    "in quotes": f'"{WORDS}"',
    "in curly quotes": f"“{WORDS}”",
    "with commas": WORDS.replace(" ", ", "),
    "numbered": "\n".join(f"{number}. {word}" for number, word in enumerate(WORDS.split(), 1)),
    "numbered in a line": " ".join(f"{number}) {word}" for number, word in enumerate(WORDS.split(), 1)),
    "with a mark before it": f"\ufeff{WORDS}",
    "with hard spaces": WORDS.replace(" ", "\u00a0"),
    "behind a name": f"mnemonic: {WORDS}",
    "as a variable": f'ALLORA_MNEMONIC="{WORDS}"\n',
    "as JSON": json.dumps(WORDS.split()),
    "as an object": json.dumps({"mnemonic": WORDS}),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("way", WRITTEN)
def test_words_are_understood_however_they_were_written_down(tmp_path: Path, way: str, encoding: str) -> None:
    file = tmp_path / "mnemonic"
    file.write_bytes(WRITTEN[way].encode(encoding))
    file.chmod(0o600)
    assert str(read_wallet(file).address()) == ADDRESS
    write_wallet(tmp_path / "written", Secret(WRITTEN[way]))
    assert (tmp_path / "written").read_text() == WORDS + "\n"
    assert "abandon" not in hide(f"somebody logs: {WORDS}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (WORDS.replace("about", "abuot").encode(), "word 12 is misspelt"),
        (WORDS.removesuffix(" about").encode(), "it has 11 words"),
        (WORDS.replace("about", "abandon").encode(), "a word is wrong, or their order"),
        (("größe " * 12).encode(), "something else than English words"),
        (("größe " * 12).encode("latin-1"), "something else than English words"),
        (b"\x00\xff" * 50, "something else than English words"),
    ],
)
def test_who_has_words_is_told_what_is_wrong_with_them_and_never_to_make_a_new_wallet(
    tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "mnemonic"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(WalletError) as caught:
        read_wallet(file)
    assert said in caught.value.message
    assert "wallet new" not in error_text(caught.value)
    assert "abandon" not in error_text(caught.value)


def test_without_a_file_both_ways_to_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(WalletError) as caught:
        read_wallet(tmp_path / "none")
    assert caught.value.hint.index("wallet import") < caught.value.hint.index("wallet new")


def test_a_file_that_others_can_read_is_warned_about(tmp_path: Path) -> None:
    file = tmp_path / "mnemonic"
    file.write_text(WORDS)
    file.chmod(0o644)
    with capture_logs() as logs:
        read_wallet(file)
    assert [line["mode"] for line in logs] == ["0644"]
    assert "abandon" not in str(logs)


def test_a_mnemonic_in_the_config_is_honoured_with_a_warning(tmp_path: Path) -> None:
    content = {"wallet": {"addressRestoreMnemonic": WORDS, "mnemonicFile": str(tmp_path / "none")}, "worker": [{"topicId": 1}]}
    config = parse_config(json.dumps(content))
    with capture_logs() as logs:
        wallet = load_wallet(Settings(_env_file=None), config)
    assert str(wallet.address()) == ADDRESS
    assert "wallet import" in logs[0]["hint"]
    assert "abandon" not in str(logs) + repr(config) + str(config.wallet)


def test_a_bad_mnemonic_is_refused_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(WalletError) as caught:
        write_wallet(tmp_path / "mnemonic", Secret(WORDS.replace("about", "abandon")))
    assert "abandon" not in error_text(caught.value)
    assert not (tmp_path / "mnemonic").exists()


def test_the_command_makes_imports_and_shows_a_wallet_but_not_its_words(config: Path) -> None:
    command = CliRunner()
    made = command.invoke(app, ["wallet", "new"])
    assert made.exit_code == 0
    words = config.read_text().split()
    assert " ".join(words[:2]) not in made.output
    shown = command.invoke(app, ["wallet", "show", "--offline"])
    assert shown.output.split()[1].startswith("allo1")
    assert command.invoke(app, ["wallet", "new"]).exit_code != 0
    config.unlink()
    assert command.invoke(app, ["wallet", "import"], input=b"\xff\xfe\x00\xd8 no text").exit_code != 0
    imported = command.invoke(app, ["wallet", "import"], input=WORDS + "\n")
    assert ADDRESS in imported.output
    assert "abandon" not in imported.output
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
