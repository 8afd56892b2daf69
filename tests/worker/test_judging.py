"""What is withheld, what the words of a topic mean, what is offered as a fee, and how the faucet is asked."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs

from node.catalogue import CATALOGUE, KnownTopic
from node.durations import Duration
from node.errors import ImplausibleAnswerError, TopicDiffersError
from node.secrets import Secret
from node.topics import Target, Task, Topic
from simulator.chain.topics import metadata_of
from worker.chain_answers import TopicOnChain
from worker.fees import Fees, Offer
from worker.funds import Faucet
from worker.sanity_check import check_plausible
from worker.topic_match import compare

EVERY = [known for topics in CATALOGUE.values() for known in topics.values()]


def topic(target: Target = Target.PRICE, token: str = "ETH", horizon: str = "10m") -> Topic:
    return Topic(1, Task(token, target, Duration.parse(horizon)), "birnn", "mse", 120, "http://x/")


def on_chain(metadata: str, *, loss: str = "mse", epoch: int = 120, multiple: bool = False) -> TopicOnChain:
    return TopicOnChain(1, metadata, loss, epoch, 12, 120, multiple, active=True)


@pytest.mark.parametrize(
    ("target", "value", "last", "network"),
    [
        (Target.PRICE, 2500.0, None, None), (Target.PRICE, 2500.0, 4999.0, None), (Target.PRICE, 2500.0, 1.0, 2400.0),
        (Target.LOG_RETURN, -0.7, 0.001, 0.001), (Target.LOG_RETURN, 0.0, None, None), (Target.VOLATILITY, 0.01, 0.001, None),
    ],
)  # fmt: skip
def test_what_can_be_right_passes_even_a_crash(target: Target, value: float, last: float | None, network: float | None) -> None:
    check_plausible(topic(target), value, last=last, network=network)


@pytest.mark.parametrize(
    ("target", "value", "last", "network"),
    [
        (Target.PRICE, 0.0, None, None), (Target.PRICE, -1.0, None, None), (Target.PRICE, 2500.0, 70000.0, 71000.0),
        (Target.PRICE, 0.0012, None, 2500.0), (Target.LOG_RETURN, 2500.0, None, None), (Target.VOLATILITY, 0.0, None, None),
        (Target.VOLATILITY, 12.0, None, None), (Target.VOLATILITY, 0.5, 0.001, 0.001),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_withheld(target: Target, value: float, last: float | None, network: float | None) -> None:
    with pytest.raises(ImplausibleAnswerError):
        check_plausible(topic(target), value, last=last, network=network)


@pytest.mark.parametrize("known", EVERY, ids=lambda known: f"{known.id}-{known.task}")
def test_every_topic_of_the_catalogue_agrees_with_its_own_description_and_with_no_other(known: KnownTopic) -> None:
    described = Topic(known.id, known.task, "birnn", known.loss, known.epoch_blocks, "")
    found = on_chain(metadata_of(known.task), loss=known.loss, epoch=known.epoch_blocks)
    assert [warning for warning in compare(described, found) if "truth" not in warning] == []
    for other in EVERY:
        if other.task != known.task:
            with pytest.raises(TopicDiffersError):
                compare(described, on_chain(metadata_of(other.task)))


@pytest.mark.parametrize(
    "text", ["ETH 10min Prediction", "Ethereum price in 10 minutes", "ETH/USD 10-minute price", "", "A sandbox"]
)
def test_words_that_leave_something_open_contradict_nothing(text: str) -> None:
    compare(topic(), on_chain(text))


def test_a_topic_that_wants_labelled_values_is_not_answered() -> None:
    with pytest.raises(TopicDiffersError, match="several"):
        compare(topic(), on_chain("ETH/USD - 10m Price Prediction", multiple=True))


@pytest.mark.parametrize(("on_the_chain", "in_config"), [("ZTAE", "ztae"), ("zptae", "zptae"), ("MSE", "mse")])
def test_how_a_loss_is_written_is_no_difference(on_the_chain: str, in_config: str) -> None:
    described = Topic(56, Task("BERA", Target.LOG_RETURN, Duration.parse("1h")), "birnn", in_config, 655, "http://x/")
    found = TopicOnChain(56, "BERA 1h log-return", on_the_chain, 655, 12, 720, is_multiple=False, active=True)
    assert compare(described, found) == []


def test_lengths_in_seconds_are_no_difference() -> None:
    assert compare(topic(), TopicOnChain(1, "ETH 10m price", "mse", 720, 72, 600, is_multiple=False, active=True)) == []


def test_lesser_differences_are_warnings() -> None:
    warnings = compare(topic(), on_chain("ETH 10m price", loss="huber", epoch=60))
    assert len(warnings) == 2


@given(st.floats(0.1, 1e6), st.integers(1, 10**9), st.lists(st.booleans(), max_size=12))
def test_an_offer_never_exceeds_the_maximum(price: float, most: int, raises: list[bool]) -> None:
    offer = Offer(300_000, price, most)
    for is_fee in raises:
        before = offer.fee
        if is_fee:
            offer.raise_fee()
        else:
            offer.raise_gas()
        assert before <= offer.fee <= most


def test_the_first_offer_follows_market_tier_and_what_was_used() -> None:
    fees = Fees("standard", 10.0, None)
    assert fees.first_offer("x").fee == 300_000 * 15 + 1
    fees.market_price = 20.0
    fees.learn("x", 100_000)
    assert math.isclose(fees.first_offer("x").fee, 130_000 * 20 * 2 * 1.5 + 1, rel_tol=1e-9)


@pytest.mark.parametrize("status", [429, 500, 503, 302, 403])
def test_a_refusing_faucet_is_left_alone_for_a_while_and_ends_nothing(httpserver: HTTPServer, status: int) -> None:
    headers = {"Location": "/elsewhere", "Retry-After": "120"}
    httpserver.expect_oneshot_request("/api/request", method="POST").respond_with_data("no", status=status, headers=headers)

    async def ask_twice() -> list[bool]:
        faucet = Faucet(httpserver.url_for("").rstrip("/"), Secret("the-key"))
        return [await faucet.ask("allo1x"), await faucet.ask("allo1x")]

    with capture_logs() as logs:
        assert asyncio.run(ask_twice()) == [False, False]
    assert [line["again_in_seconds"] for line in logs] == [120]
    assert "the-key" not in str(logs)
    assert len(httpserver.log) == 1


def test_a_faucet_that_agrees_is_asked_with_the_key_and_the_address(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/request", method="POST", headers={"x-api-key": "the-key"}).respond_with_data("ok")

    async def ask() -> bool:
        return await Faucet(httpserver.url_for("").rstrip("/"), Secret("the-key")).ask("allo1x")

    assert asyncio.run(ask())
    assert httpserver.log[0][0].form["address"] == "allo1x"
