"""config.json, this node's own and the official node's of every generation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node.config import Config, in_todays_form, load_config
from node.errors import ConfigError
from node.topics import TOKEN_PATTERN, check_horizon
from tests.node.test_go_node_config import EXAMPLE, GUIDE, NINTH, REPUTER, WALKTHROUGH
from tests.support.paths import ROOT
from tests.system.fuzz.target import Check, Target, check_refusal

LONGEST_COMPLAINTS = 200_000
"""Ten lines, each of which may quote what it is about."""

WORDS_OF_A_WALLET = {"wallet": {"address_restore_mnemonic"}}
"""They are written as asterisks."""

RICH: dict[str, Any] = {
    "network": "mainnet",
    "wallet": {"submitTx": True, "feeTier": "eco", "maxFees": 1000, "gasPrices": 10.5, "maxRetries": 3, "chainId": "chain",
               "nodeGrpcs": ["one:443"], "websockets": ["wss://one/websocket"], "mnemonicFile": "secrets/mnemonic"},
    "worker": [
        {"topicId": 1, "parameters": {"Model": "lstm", "Loss": "mae", "Features": "default,taker", "Leader": "SOL"}},
        {"topicId": 4711, "parameters": {"Token": "DOGE", "Target": "price", "Horizon": "1h", "Region": "eu",
                                         "InferenceEndpoint": "http://{Region}/{Token}/{TopicId}?block={BlockHeight}"}},
    ],
    "updater": {"retrainEvery": "12h", "historyDays": 30, "trainingJobs": 1, "maxEpochs": 5, "sources": ["binance", "kraken"],
                "keepVersions": 3, "skillFloor": None, "skillWindow": "6h"},
    "inference": {"staleAfter": "3m"},
}  # fmt: skip


@contextmanager
def _prepare(folder: Path) -> Iterator[Check]:
    path = folder / "config.json"

    def check(data: bytes) -> bool:
        path.write_bytes(data)
        try:
            config = load_config(path)
        except ConfigError as error:
            check_refusal(error, longest=LONGEST_COMPLAINTS)
            return False
        _check_topics(config)
        written = Config.model_validate_json(config.model_dump_json(by_alias=True))
        assert written.model_dump(exclude=WORDS_OF_A_WALLET) == config.model_dump(exclude=WORDS_OF_A_WALLET)
        today, _ = in_todays_form(json.loads(data))
        again, notes = in_todays_form(today)
        assert (again, notes) == (today, [])
        path.write_text(json.dumps(today))
        assert load_config(path) == config
        return True

    yield check


def _check_topics(config: Config) -> None:
    topics = config.topics("http://localhost:8000")
    assert len({topic.id for topic in topics}) == len(topics) == len(config.worker)
    for topic in topics:
        assert TOKEN_PATTERN.fullmatch(topic.token)
        assert check_horizon(topic.task.horizon).ms >= topic.task.interval.ms
        assert topic.leader is None or TOKEN_PATTERN.fullmatch(topic.leader)
        assert topic.task.steps > 0


def _seeds() -> list[bytes]:
    own = (ROOT / "config.json").read_bytes()
    return [own, *(json.dumps(content).encode() for content in (RICH, EXAMPLE, WALKTHROUGH, GUIDE, NINTH, REPUTER))]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            yield from _strings(below)
    elif isinstance(value, list):
        for below in value:
            yield from _strings(below)
    elif isinstance(value, str):
        yield value


WORDS = {json.dumps(text).encode() for content in (RICH, EXAMPLE, NINTH, REPUTER) for text in _strings(content) if len(text) < 40}
CONFIG = Target(_prepare, _seeds, (*sorted(WORDS), b"NaN", b"Infinity", b'"5e5uallo"', b'"auto"', b"null", b"[]", b"{}", b"true"))
