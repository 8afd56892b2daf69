"""Where the worker asks: what is filled in when config.json is read, and what is left for each window."""

from __future__ import annotations

import json

import pytest

from node.config import endpoint_hints, parse_config
from node.errors import ConfigError
from node.topics import Topic

OWN = "http://inference:8000/inference/{Token}?topic={TopicId}"


def topics(*endpoints: str | None) -> tuple[Topic, ...]:
    entries = [
        {"topicId": number, "parameters": {"InferenceEndpoint": endpoint} if endpoint else {}}
        for number, endpoint in zip((1, 3, 37), endpoints, strict=False)
    ]
    return parse_config(json.dumps({"worker": entries})).topics("http://own:8000/")


def test_by_default_the_nodes_own_inference_is_asked_for_the_windows_interval() -> None:
    assert topics(None)[0].endpoint == "http://own:8000/inference/ETH?topic=1&nonce_time={NonceTime}"


def test_height_and_time_of_the_nonce_stay_for_the_worker_and_other_names_are_refused() -> None:
    assert topics("http://h/{Token}/{BlockHeight}/{NonceTime}")[0].endpoint == "http://h/ETH/{BlockHeight}/{NonceTime}"
    with pytest.raises(ConfigError, match=r"\{NonceTimes\}"):
        topics("http://h/{NonceTimes}")


def test_an_endpoint_as_old_files_have_it_stays_as_it_is_and_one_hint_names_all_that_leave_the_time_open() -> None:
    found = topics(OWN, "http://inference:8000/inference/BTC", OWN + "&nonce_time={NonceTime}")
    assert [topic.endpoint for topic in found] == [
        "http://inference:8000/inference/ETH?topic=1",
        "http://inference:8000/inference/BTC",
        "http://inference:8000/inference/SOL?topic=37&nonce_time={NonceTime}",
    ]
    (hint,) = endpoint_hints(found)
    assert hint.startswith("topic 1, 3: ")
    assert "&nonce_time={NonceTime}" in hint


@pytest.mark.parametrize("endpoint", [None, "http://mine.example.org/predict/{Token}", OWN + "&nonce_time={NonceTime}"])
def test_nothing_is_said_of_other_services_and_of_endpoints_that_are_complete(endpoint: str | None) -> None:
    assert endpoint_hints(topics(endpoint)) == ()
