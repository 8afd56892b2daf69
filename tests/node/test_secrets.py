"""A secret put into a log, in whatever way, does not come out of it."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from node.config import Config, parse_config
from node.database import open_database
from node.environment import Settings
from node.errors import ConfigError, WalletError
from node.logs import SECRET_NAMES, configure_logs
from node.secrets import MASK, SHORTEST, Secret, hide
from node.start import exit_for
from tests.support.errors import error_text

WORDS = "legal winner thank year wave sausage worth useful legal winner thank yellow"
KEY = 'UP-"quoted"-0123456789'

Log = Callable[[], Callable[[], str]]


@pytest.fixture(params=["json", "console"])
def log(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Log:
    """To be called first, in each of the log's forms; what it returns tells what came out since."""

    def configured() -> Callable[[], str]:
        configure_logs("worker", "debug", request.param)
        return lambda: capsys.readouterr().err

    return configured


def nestings(value: Any) -> list[Any]:
    return [
        value,
        [value],
        (1, (value,)),
        {value},
        {"a": {"b": [value]}},
        {value: 1},
        f"before {value} after",
        ValueError(value),
        WalletError("wrong", hint=str(value)),
        repr(value).encode(),
        Path(str(value)),
    ]


@pytest.mark.parametrize("number", range(len(nestings(0))))
@pytest.mark.parametrize("secret", [WORDS, KEY])
def test_a_secret_in_a_log_call_does_not_come_out_however_deep(log: Log, secret: str, number: int) -> None:
    said = log()
    held = Secret(secret)
    for value in (held, held.get_secret_value()):
        structlog.get_logger().info("words", error=nestings(value)[number], anything=nestings(value)[number])
        structlog.get_logger().info(f"words {value}")
    shown = said()
    assert MASK in shown
    assert "winner thank" not in shown
    assert "0123456789" not in shown


def test_a_secret_from_another_library_s_logger_does_not_come_out(log: Log) -> None:
    said = log()
    logging.getLogger("somebody").warning("took %s and %r", Secret(WORDS).get_secret_value(), KEY if Secret(KEY) else "")
    shown = said()
    assert "took" in shown
    assert "winner" not in shown
    assert "0123456789" not in shown


def test_a_secret_in_a_traceback_does_not_come_out_even_with_locals(log: Log) -> None:
    said = log()

    def use(secret: Secret) -> None:
        value = secret.get_secret_value()
        lines = value.replace(" ", "\n").encode()
        raise WalletError(f"{value} ({len(lines)})")

    try:
        use(Secret(WORDS.replace(" ", "\n")))
    except WalletError as error:
        structlog.get_logger().exception("unforeseen", error=error)
        with_locals = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        structlog.get_logger().error("unforeseen", reason=with_locals)
    shown = said()
    assert "Traceback" in shown
    assert "value = " in shown
    assert "winner" not in shown


def test_what_stands_under_the_name_of_a_secret_is_masked_before_it_was_ever_read(log: Log) -> None:
    said = log()
    never_read = "zoo zoo zoo wrong"
    content = {"wallet": {"addressRestoreMnemonic": never_read}, "more": [{"ALLORA_API_KEY": never_read}]}
    structlog.get_logger().info("config", content=content, allora_api_key=never_read)
    shown = said()
    assert shown.count(MASK) == 3
    assert "zoo" not in shown


def test_the_names_are_those_of_the_secret_fields() -> None:
    assert {"addressRestoreMnemonic", "address_restore_mnemonic", "allora_api_key", "ALLORA_API_KEY"} <= SECRET_NAMES
    assert not SECRET_NAMES & {"mnemonicFile", "allora_mnemonic_file", "allora_api_key_file", "topicId"}


def test_every_secret_that_settings_and_config_hold_is_of_the_type_that_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLORA_API_KEY", "held-in-settings")
    monkeypatch.setenv("CONFIG_OVERRIDES", json.dumps({"wallet": {"addressRestoreMnemonic": "held in overrides"}}))
    settings = Settings(_env_file=None)
    config: Config = parse_config(json.dumps({"wallet": {"addressRestoreMnemonic": WORDS}, "worker": [{"topicId": 1}]}))
    assert type(settings.api_key) is type(config.wallet.address_restore_mnemonic) is Secret
    assert "held" not in repr(settings)
    assert hide(f"held-in-settings {WORDS}") == f"{MASK} {MASK}"
    assert WORDS not in config.model_dump_json() + repr(config) + str(config.model_dump())


def test_a_password_in_a_url_is_shown_nowhere(log: Log) -> None:
    said = log()
    url = "postgresql://node:hunter22@database/node"
    structlog.get_logger().info("opened", url=url, urls=[url])
    shown = said()
    with pytest.raises(ConfigError) as caught:
        open_database(url.replace("://", "+a b://"))
    with pytest.raises(SystemExit):
        exit_for(ConfigError(f"{url} is wrong", hint=f"look at {url}"))
    shown += error_text(caught.value) + said()
    assert shown.count("node:") >= 4
    assert "hunter22" not in shown


def test_a_url_without_password_is_left_as_it_is() -> None:
    for url in ("http://localhost:8000/inference/BTC?at=a@b", "grpc+https://node.example:443", "sqlite:///data/node.db", "a@b:c@d"):
        assert hide(url) == url


def test_what_is_too_short_to_be_a_secret_takes_nothing_out_of_other_words() -> None:
    Secret("topic"[:SHORTEST])
    assert hide("the topic") == "the topic"


@given(st.text(min_size=SHORTEST).filter(lambda text: len(" ".join(text.split())) >= SHORTEST and MASK not in text))
def test_any_secret_is_hidden_in_any_text_and_however_it_is_written(value: str) -> None:
    secret = Secret(value)
    for shown in (
        value,
        repr(value),
        ascii(value),
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        json.dumps([repr(value)]),
    ):
        assert value.strip() not in hide(f"<{shown}>").replace(MASK, "")
        assert MASK in hide(f"<{shown}>")
    assert value.strip() not in repr(secret).replace(MASK, "")


def test_a_line_that_cannot_be_written_does_not_show_what_it_would_have_said(log: Log) -> None:
    said = log()
    logging.getLogger("somebody").warning("%d words", Secret(WORDS).get_secret_value())
    shown = said()
    assert "a line of somebody could not be logged" in shown
    assert "winner" not in shown
