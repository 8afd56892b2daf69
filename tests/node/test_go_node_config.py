"""Config files of the official node, one per generation, written after its documentation."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from cli.main import app
from node.config import Config, in_todays_form, parse_config
from node.errors import ConfigError
from tests.support.paths import ROOT

WORDS = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
SOURCE = "http://source:8000/inference/{Token}"

EXAMPLE: dict[str, Any] = {
    "wallet": {
        "addressKeyName": "secret", "addressRestoreMnemonic": WORDS, "alloraHomeDir": "", "gas": "1000000", "gasAdjustment": 1.0,
        "nodeRpc": "http://localhost:26657", "maxRetries": 1, "delay": 1, "submitTx": True,
    },
    "worker": [
        {"topicId": 1, "inferenceEntrypointName": "api-worker-reputer", "loopSeconds": 5,
         "parameters": {"InferenceEndpoint": SOURCE, "Token": "ETH"}},
    ],
}  # fmt: skip
WALKTHROUGH: dict[str, Any] = {
    "wallet": {
        "addressKeyName": "test", "addressRestoreMnemonic": "<your mnemonic>", "alloraHomeDir": "/root/.allorad", "gas": "auto",
        "gasAdjustment": 1.5, "nodeRpc": "https://rpc.example.org/", "maxRetries": 1, "delay": 1, "submitTx": False,
    },
    "worker": [
        {"topicId": topic, "inferenceEntrypointName": "api-worker-reputer", "loopSeconds": 1,
         "parameters": {"InferenceEndpoint": "http://inference:8000/inference/{Token}", "Token": token}}
        for topic, token in ((1, "ETH"), (3, "BTC"), (5, "SOL"))
    ],
}  # fmt: skip
GUIDE: dict[str, Any] = {
    "wallet": {"addressKeyName": "k", "addressRestoreMnemonic": "", "gas": "auto", "nodeRpc": "https://rpc.example.org"},
    "worker": [
        {"topicId": topic, "inferenceEntrypointName": "api-worker-reputer", "loopSeconds": 5,
         "parameters": {"InferenceEndpoint": "http://inference:8000/inference/{Token}", "Token": token}}
        for topic, token in ((1, "ETH"), (3, "BTC"), (5, "SOL"), (7, "ETH"), (8, "BNB"), (9, "ARB"))
    ],
}  # fmt: skip
NINTH: dict[str, Any] = {
    "wallet": {
        "addressKeyName": "k", "addressRestoreMnemonic": "", "gas": "auto", "gasAdjustment": 1.5, "gasPrices": "auto",
        "maxFees": "25000000", "nodeRpcs": ["https://one.example.org/", "https://two.example.org"],
        "nodegrpcs": ["one.example.org:443", "two.example.org:9090"], "maxRetries": 5, "retryDelay": 3,
        "accountSequenceRetryDelay": 5, "launchRoutineDelay": 5, "windowCorrectionFactor": 0.8,
        "blockDurationEstimated": 5, "submissionJitter": 3,
        "chainId": "allora-mainnet-1", "submitTx": True, "simulateGasFromStart": False,
    },
    "worker": [
        {"topicId": 14, "inferenceEntrypointName": "apiAdapter",
         "parameters": {"InferenceEndpoint": "http://inference:8000/inference/{Token}?block={BlockHeight}", "Token": "BTC"}},
    ],
}  # fmt: skip
REPUTER: dict[str, Any] = {
    "Wallet": {"AddressKeyName": "k", "NODERPC": "http://localhost:26657", "SubmitTX": True, "maxFees": 500000},
    "WORKER": [{"TopicID": 69, "Parameters": {"inferenceendpoint": SOURCE, "TOKEN": "BTC", "ForecastEndpoint": "http://x/"}}],
    "reputer": [
        {"topicId": 1, "groundTruthEntrypointName": "api-worker-reputer", "loopSeconds": 30, "minStake": 1000000,
         "groundTruthParameters": {"GroundTruthEndpoint": "http://truth:8888/gt"}},
    ],
}  # fmt: skip


_names = itertools.count()


def load(content: dict[str, Any]) -> tuple[Config, str]:
    with capture_logs() as logs:
        config = parse_config(json.dumps(content), f"{next(_names)}.json")  # a reason is told once a file
    return config, "\n".join(str(line["note"]) for line in logs)


def endpoints(config: Config) -> dict[int, str]:
    return {topic.id: topic.endpoint for topic in config.topics("http://own:8000")}


def test_the_official_example_loads_with_its_endpoint_and_its_mnemonic() -> None:
    config, told = load(EXAMPLE)
    assert endpoints(config) == {1: "http://source:8000/inference/ETH"}
    assert config.wallet.submit_tx
    assert config.wallet.address_restore_mnemonic is not None
    assert config.wallet.address_restore_mnemonic.get_secret_value() == WORDS
    for key in ("addressKeyName", "gas", "gasAdjustment", "delay", "loopSeconds", "nodeRpcs"):
        assert f".{key} is not used: " in told
    assert config.wallet.max_retries == 1


def test_the_walkthrough_loads_and_leaves_out_the_topic_that_was_retired() -> None:
    config, told = load(WALKTHROUGH)
    assert set(endpoints(config)) == {1, 3}
    assert "retired topic 5" in told
    assert config.wallet.address_restore_mnemonic is None


def test_the_guide_with_six_topics_runs_the_four_that_are_left() -> None:
    config, told = load(GUIDE)
    assert set(endpoints(config)) == {1, 3, 8, 9}
    assert "retired topic 5, 7" in told


def test_a_file_of_version_nine_keeps_its_fees_nodes_and_chain() -> None:
    config, told = load(NINTH)
    assert config.network == "mainnet"
    assert (config.wallet.max_fees, config.wallet.max_retries) == (25_000_000, 5)
    assert config.wallet.gas_prices is None
    assert config.wallet.node_grpcs == ("grpc+https://one.example.org:443", "grpc+http://two.example.org:9090")
    assert config.wallet.websockets == ("wss://one.example.org/websocket", "wss://two.example.org/websocket")
    assert endpoints(config) == {14: "http://inference:8000/inference/BTC?block={BlockHeight}"}
    assert "submissionJitter" in told


def test_keys_in_any_case_are_read_and_a_reputer_is_left_out() -> None:
    config, told = load(REPUTER)
    assert endpoints(config) == {69: "http://source:8000/inference/BTC"}
    assert (config.wallet.submit_tx, config.wallet.max_fees) == (True, 500_000)
    assert "reputer is not used: this node is a worker" in told
    assert "ForecastEndpoint is not used" in told


TWICE: dict[str, Any] = {
    "wallet": {"addressKeyName": "k", "nodeRpc": "https://rpc.example.org"},
    "worker": [
        {"topicId": topic, "inferenceEntrypointName": "api-worker-reputer", "loopSeconds": 1,
         "parameters": {"InferenceEndpoint": "http://inference:8000/inference/{Token}", "Token": "ETH"}}
        for topic in (1, 13)
    ],
}  # fmt: skip
OLDEST: dict[str, Any] = {
    "wallet": {
        "address": "allo1", "addressKeyName": "k", "addressRestoreMnemonic": WORDS, "addressAccountPassphrase": "a passphrase",
        "alloraHomeDir": "", "gas": "1000000", "gasAdjustment": 1, "nodeRpc": "https://rpc.example.org", "maxRetries": 1,
        "minDelay": 1, "maxDelay": 2, "requestRetries": 3, "loopSeconds": 60, "loopWithinWindowSeconds": 5,
        "earlyArrivalPercent": 0.5,
        "lateArrivalPercent": 0.3, "minStakeToRepute": "100", "feeGranterAddress": "allo1granter", "submitTx": False,
    },
    "worker": [
        {"topicId": 1, "inferenceEntrypointName": "api-worker-reputer", "inferenceEntrypoint": None, "forecastEntrypoint": None,
         "loopSeconds": 10, "allowsNegativeForcast": True, "parameters": {"InferenceEndpoint": SOURCE, "Token": "ETH"}},
    ],
    "reputer": [{"topicId": 1, "reputerEntrypointName": "api-worker-reputer", "minStake": 100000}],
}  # fmt: skip


def test_the_oldest_generation_loads_and_says_who_pays_and_that_there_is_no_keyring() -> None:
    config, told = load(OLDEST)
    assert endpoints(config) == {1: "http://source:8000/inference/ETH"}
    for reason in ("addressAccountPassphrase is not used: there is no keyring", "feeGranterAddress is not used: the wallet pays"):
        assert reason in told
    assert "a passphrase" not in told
    assert "allo1granter" not in told


@pytest.mark.parametrize(
    ("price", "read"),
    [("10uallo", 10), ("1e-2uallo", 0.01), ("0.025 UALLO", 0.025), (".5uallo", 0.5), ("10.", 10), ("auto", None), (" Auto ", None)],
)
def test_a_price_of_gas_is_read_with_its_unit_and_as_a_small_number(price: str, read: float | None) -> None:
    config, _ = load({"wallet": {"gasPrices": price}, "worker": [{"topicId": 1}]})
    assert config.wallet.gas_prices == read


@pytest.mark.parametrize("separator", [" ", ", ", ",", "\n", "\u00a0"])
def test_words_stay_words_however_they_are_parted_and_a_few_less_are_not_dropped_in_silence(separator: str) -> None:
    for words in (WORDS.split(), WORDS.split()[:-1]):
        config, told = load({"wallet": {"addressRestoreMnemonic": separator.join(words)}, "worker": [{"topicId": 1}]})
        assert config.wallet.address_restore_mnemonic is not None
        assert "no mnemonic" not in told


def test_one_node_may_be_named_without_a_list_and_an_empty_one_is_none() -> None:
    config, _ = load({"wallet": {"nodeGrpcs": "one:443", "websockets": [""]}, "worker": [{"topicId": 1}]})
    assert (config.wallet.node_grpcs, config.wallet.websockets) == (("grpc+https://one:443",), ())


@pytest.mark.parametrize("fees", [500000, 500000.0, "500000", "500000uallo", " 5e5 "])
def test_fees_are_a_number_or_a_string(fees: object) -> None:
    content = {"wallet": {"maxFees": fees, "gasPrices": "10.5uallo"}, "worker": [{"topicId": 1}]}
    config, _ = load(content)
    assert (config.wallet.max_fees, config.wallet.gas_prices) == (500_000, 10.5)


def test_each_reason_is_told_once() -> None:
    with capture_logs() as logs:
        for _ in range(3):
            parse_config(json.dumps(GUIDE), "the same.json")
    assert sum("loopSeconds" in line["note"] for line in logs) == 1


def test_what_neither_node_knows_is_still_refused() -> None:
    for content in ({"wallet": {"submitTxx": True}, "worker": [{"topicId": 1}]}, {"worker": [{"topicId": 1, "parameter": {}}]}):
        with pytest.raises(ConfigError, match="unknown key; did you mean"):
            parse_config(json.dumps(content))


def test_an_adapter_of_ones_own_is_refused_instead_of_ignored() -> None:
    with pytest.raises(ConfigError, match="inferenceEntrypointName: unknown key"):
        parse_config(json.dumps({"worker": [{"topicId": 1, "inferenceEntrypointName": "my-adapter"}]}))


def test_a_file_with_retired_topics_alone_says_so() -> None:
    content = {"worker": [{"topicId": 5, "parameters": {"InferenceEndpoint": SOURCE, "Token": "SOL"}}]}
    with pytest.raises(ConfigError, match="retired"):
        parse_config(json.dumps(content))


def test_todays_form_is_left_as_it_is() -> None:
    root = json.loads((ROOT / "config.json").read_text())
    assert in_todays_form(root) == (root, [])


@pytest.mark.parametrize("content", [EXAMPLE, WALKTHROUGH, GUIDE, NINTH, REPUTER, OLDEST, TWICE])
def test_migrating_prints_todays_form_and_no_secret(tmp_path: Path, content: dict[str, Any]) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps(content))
    result = CliRunner().invoke(app, ["config", "migrate", str(file)])
    assert result.exit_code == 0
    assert "abandon" not in result.output
    migrated, told = load(json.loads(result.stdout))
    assert told == ""
    before, _ = load(content)
    assert endpoints(migrated) == endpoints(before)
    assert migrated.wallet.submit_tx == before.wallet.submit_tx
