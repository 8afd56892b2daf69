"""What the node knows of the network's topics, and what it says of those that it does not answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forecasting.evaluation.losses import LOSSES as FITTED
from node.catalogue import CATALOGUE, LABELLED, RETIRED
from node.config import parse_config
from node.errors import ConfigError
from node.model_names import LOSS_NAMES
from node.topics import DEFAULT_LOSS, Target, Topic

EVERY = [(network, known) for network, topics in CATALOGUE.items() for known in topics.values()]


def topic(number: int, network: str = "testnet", **parameters: str) -> Topic:
    entry = {"topicId": number, "parameters": parameters}
    return parse_config(json.dumps({"network": network, "worker": [entry]})).topics("http://x")[0]


def test_no_number_is_known_in_two_ways() -> None:
    for network, topics in CATALOGUE.items():
        kinds = (frozenset(topics), frozenset(LABELLED[network]), RETIRED[network])
        assert len(frozenset.union(*kinds)) == sum(map(len, kinds))


@pytest.mark.parametrize(
    ("network", "number", "task", "epoch"),
    [
        ("testnet", 39, "SOL/volatility-5m", 35),
        ("mainnet", 22, "XRP/volatility-15m", 60),
        ("mainnet", 23, "SOL/volatility-15m", 60),
    ],
)
def test_what_came_to_the_listing_since_july_is_known(network: str, number: int, task: str, epoch: int) -> None:
    found = topic(number, network)
    assert (str(found.task), found.loss, found.epoch_blocks) == (task, "mse", epoch)


@pytest.mark.parametrize(("network", "known"), EVERY)
def test_a_topic_is_judged_by_a_loss_that_the_node_has_and_keeps_the_name_of_the_listing(network: str, known: Any) -> None:
    found = topic(known.id, network)
    assert found.loss in LOSS_NAMES
    assert found.loss in FITTED
    assert found.loss == known.loss


def test_a_loss_may_be_written_as_the_listing_writes_it() -> None:
    assert topic(56).loss == topic(61, Loss="ztae").loss == "ztae"


@pytest.mark.parametrize("target", Target)
def test_a_topic_outside_the_catalogue_is_scored_by_its_targets_usual_loss(target: Target) -> None:
    found = topic(4711, Token="DOGE", Target=target.value, Horizon="1h")
    assert found.loss == DEFAULT_LOSS[target]
    assert topic(4711, Token="DOGE", Target=target.value, Horizon="1h", Loss="mae").loss == "mae"


def test_a_log_return_is_scored_by_czar_unless_something_else_is_said() -> None:
    assert topic(4711, Token="DOGE", Target="log_return", Horizon="1h").loss == "czar"
    assert topic(14, Token="BTC", Target="log_return", Horizon="1h").loss == "czar", "no longer what the catalogue knows"


@pytest.mark.parametrize("number", [87, 88, 89, 90])
@pytest.mark.parametrize("parameters", [{}, {"Token": "BTC", "Target": "price", "Horizon": "24h"}])
def test_a_labelled_topic_is_refused_with_its_reason_whatever_is_said_of_it(number: int, parameters: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=rf"topic {number}\): .*a value for each label of") as caught:
        topic(number, **parameters)
    assert "does not know" not in caught.value.message


def test_on_another_network_the_number_of_a_labelled_topic_is_any_number() -> None:
    assert str(topic(87, "mainnet", Token="BTC", Target="price", Horizon="24h").task) == "BTC/price-24h"


def test_a_volatility_needs_two_returns() -> None:
    with pytest.raises(ConfigError, match="1m is too short for a volatility"):
        topic(4711, Token="BTC", Target="volatility", Horizon="1m")
    assert topic(4711, Token="BTC", Target="volatility", Horizon="2m").task.steps == 2
    assert topic(4711, Token="BTC", Target="price", Horizon="1m").task.steps == 1
