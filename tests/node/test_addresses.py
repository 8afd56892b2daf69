"""Addresses are read where they are written: in config.json and in the environment."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.addresses import endpoint_address, grpc_address, http_address, websocket_address
from node.config import parse_config
from node.environment import load_settings
from node.errors import ConfigError


def tried(read: Callable[[str], str], text: str) -> tuple[str | None, str | None]:
    try:
        return read(text), None
    except ValueError as error:
        return None, str(error)


READERS = (grpc_address, http_address, websocket_address, endpoint_address)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("host:443", "grpc+https://host:443"),
        ("host:443/", "grpc+https://host:443"),
        (" host:443 ", "grpc+https://host:443"),
        ("host:9090", "grpc+http://host:9090"),
        ("[::1]:9090", "grpc+http://[::1]:9090"),
        ("grpc+https://host", "grpc+https://host:443"),
        ("grpc+https://host:443/", "grpc+https://host:443"),
        ("grpc+http://127.0.0.1:9090", "grpc+http://127.0.0.1:9090"),
    ],
)
def test_a_chains_node_is_named_with_or_without_scheme_and_never_loses_its_tls(written: str, read: str) -> None:
    assert grpc_address(written) == read
    config = parse_config(json.dumps({"wallet": {"nodeGrpcs": [written]}, "worker": [{"topicId": 1}]}))
    assert config.wallet.node_grpcs == (read,)


@pytest.mark.parametrize(
    "written",
    [
        "https://host:443", "http://host:9090", "tcp://host:1", "host", "grpc+http://host", "host:", "host:0", "host:65536",
        "host:x",        "ho st:443", "a:443,b:443", "grpc+https://host:443/path", "grpc+https://:443", "::1", "", "//",
        "host:443\n:1",
    ],
)  # fmt: skip
def test_what_is_no_grpc_address_is_refused_when_the_config_is_read_with_what_to_write(written: str) -> None:
    with pytest.raises(ValueError, match="write"):
        grpc_address(written)
    if written:  # old files have empty ones, which say nothing
        with pytest.raises(ConfigError, match=r"wallet\.nodeGrpcs.*write") as caught:
            parse_config(json.dumps({"wallet": {"nodeGrpcs": [written]}, "worker": [{"topicId": 1}]}))
        assert caught.value.hint


@pytest.mark.parametrize("written", ["https://host/websocket", "host", "ws://", "ws://host:99999", "ws://ho st"])
def test_what_is_no_websocket_is_refused_with_what_to_write(written: str) -> None:
    with pytest.raises(ConfigError, match=r"wallet\.websockets.*write wss://host/websocket"):
        parse_config(json.dumps({"wallet": {"websockets": [written]}, "worker": [{"topicId": 1}]}))


@pytest.mark.parametrize(
    "written", ["inference:8000/inference/{Token}", "http:/host/", "http://", "http://host:99999/x", "ftp://host/"]
)
def test_an_endpoint_that_cannot_be_asked_is_refused_with_what_to_write(written: str) -> None:
    with pytest.raises(ConfigError, match=r"worker\[0\] \(topic 1\): .*write http://inference:8000/inference/\{Token\}"):
        parse_config(json.dumps({"worker": [{"topicId": 1, "parameters": {"InferenceEndpoint": written}}]}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INFERENCE_URL", "inference:8000"), ("INFERENCE_URL", "http://inference:80000"), ("INFERENCE_URL", "http://in ference"),
        ("EXCHANGE_URLS", "https://one,two"), ("KRAKEN_URL", "api.kraken.com"), ("ARCHIVE_URL", "never"),
        ("CHAIN_GRPC_URL", "https://host:443"), ("CHAIN_GRPC_URL", "host"), ("CHAIN_WEBSOCKET_URL", "https://host"),
    ],
)  # fmt: skip
def test_an_address_in_the_environment_is_refused_by_its_variable_with_what_to_write(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name}: .*write"):
        load_settings()


def test_addresses_in_the_environment_are_known_in_one_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_URL", " http://inference:8000/ ")
    monkeypatch.setenv("CHAIN_GRPC_URL", "host:443/")
    monkeypatch.setenv("EXCHANGE_URLS", "https://one/ , https://two")
    settings = load_settings()
    assert (settings.inference_url, settings.chain_grpc_url) == ("http://inference:8000", "grpc+https://host:443")
    assert settings.exchange_bases == ("https://one", "https://two")


@given(st.text(max_size=60) | st.from_regex(r"(grpc\+https?|https?|wss?)://[\w.:\[\]@-]{0,20}/?", fullmatch=True))
def test_any_text_is_an_address_or_a_message_and_an_address_reads_as_itself(text: str) -> None:
    for read in READERS:
        address, said = tried(read, text)
        assert said is None or "write" in said
        if address is not None:
            assert tried(read, address) == (address, None)
            assert address == address.strip()
