"""What a topic's model reads is chosen in its parameters."""

from __future__ import annotations

import pytest

from node.config import Config
from node.topics import Topic


def topic(**parameters: str) -> Topic:
    config = Config.model_validate({"worker": [{"topicId": 1, "parameters": parameters}]})
    return config.topics("http://localhost")[0]


def test_by_default_nothing_is_chosen() -> None:
    assert (topic().features, topic().leader) == ((), None)


def test_features_are_names_with_commas_and_the_leader_a_token() -> None:
    chosen = topic(Features="default, taker_imbalance_1,", Leader="btc")
    assert (chosen.features, chosen.leader) == (("default", "taker_imbalance_1"), "BTC")


@pytest.mark.parametrize(("leader", "told"), [("ETH", "own token"), ("B/TC", "not a token")])
def test_a_leader_is_another_token(leader: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        topic(Leader=leader)
