"""Where the worker asks: what is filled in when config.json is read, and what is left for each window."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from node.config import Config, endpoint_hints, parse_config
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
    assert "?topic={TopicId}&nonce_time={NonceTime}" in hint


@pytest.mark.parametrize("endpoint", [None, "http://mine.example.org/predict/{Token}", OWN + "&nonce_time={NonceTime}"])
def test_nothing_is_said_of_other_services_and_of_endpoints_that_are_complete(endpoint: str | None) -> None:
    assert endpoint_hints(topics(endpoint)) == ()


def of_eth(*endpoints: str, numbers: tuple[int, ...] = (1, 13, 2)) -> Config:
    """Topics of one token: prices in ten minutes, five minutes and a day."""
    entries = [
        {"topicId": number, "parameters": {"InferenceEndpoint": url}} for number, url in zip(numbers, endpoints, strict=False)
    ]
    return parse_config(json.dumps({"worker": entries}))


OPEN = "http://inference:8000/inference/{Token}"


def test_two_topics_of_a_token_whose_endpoints_leave_the_topic_open_are_asked_for_each() -> None:
    config = of_eth(OPEN, OPEN + "/?nonce_time={NonceTime}", OWN)
    assert [topic.endpoint for topic in config.topics("http://own")] == [
        "http://inference:8000/inference/ETH?topic=1",
        "http://inference:8000/inference/ETH/?nonce_time={NonceTime}&topic=13",
        "http://inference:8000/inference/ETH?topic=2",
    ]
    hint, _ = endpoint_hints(config.topics_as_written("http://own"))
    assert hint.startswith("topic 1, 13: ")
    assert "?topic={TopicId}" in hint


def test_migrating_completes_what_leaves_the_topic_open(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"worker": [{"topicId": n, "parameters": {"InferenceEndpoint": OPEN}} for n in (1, 13)]}))
    done = CliRunner().invoke(app, ["config", "migrate", str(file)])
    assert done.exit_code == 0
    assert [entry["parameters"]["InferenceEndpoint"] for entry in json.loads(done.stdout)["worker"]] == [OWN, OWN]
    assert "topic 1, 13: " in done.stderr


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("http://mine/price", "http://mine/price", "cannot answer both; write {TopicId} into it"),
        ("http://mine/{Token}?b={BlockHeight}", "http://mine/ETH?b={BlockHeight}", "cannot answer both"),
        ("http://inference:8000/inference/BTC", OWN, "asks for BTC; write {Token} there"),
        (OWN, "http://inference:8000/inference/{Token}?topic=1", "asks for topic 1; write topic={TopicId} there"),
    ],
)
def test_an_endpoint_that_gives_a_topic_the_answer_of_another_is_refused(first: str, second: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        of_eth(first, second)
    assert said in caught.value.message


def test_topics_that_ask_the_same_may_share_an_endpoint() -> None:
    shared = of_eth("http://mine/{Token}", "http://mine/{Token}", numbers=(64, 83))
    assert len({topic.endpoint for topic in shared.topics("http://own")}) == 1
    assert of_eth("http://mine/{Token}/{Horizon}", "http://mine/{Token}/{Horizon}")
