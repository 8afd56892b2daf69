"""The time of a nonce's block: read once, believed within bounds, else estimated, and handed to endpoints that ask for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs

from node.clock import ManualClock
from node.config import Config
from node.durations import Duration
from node.errors import ChainUnreachableError
from node.topics import ACCEPTED_HEADER, Target, Task, Topic
from tests.worker.conftest import RunningChain, RunningWorker, wait_until
from worker.blocks import Blocks
from worker.nonce_time import MAX_REMEMBERED, NonceTime, NonceTimes, Way

RunChain = Callable[..., RunningChain]
RunWorker = Callable[..., RunningWorker]
HEIGHT, TIME_MS = 5_000, 1_790_000_033_917


class Node:
    """A chain's node that is asked for headers; stands where the worker has its chain."""

    def __init__(self, answer: Callable[[int], Awaitable[int]]) -> None:
        self.asked: list[int] = []
        self._answer = answer

    async def block_time(self, height: int) -> int:
        self.asked.append(height)
        return await self._answer(height)


async def truly(height: int) -> int:
    return TIME_MS + (height - HEIGHT) * 5_000


def with_times(
    answer: Callable[[int], Awaitable[int]], then: Callable[[NonceTimes, Any], Awaitable[None]], clock_ms: int = TIME_MS
) -> None:
    async def run() -> None:
        blocks, node = Blocks(), Node(answer)
        blocks.saw_header(HEIGHT, TIME_MS / 1000)
        blocks.saw_header(HEIGHT + 1, TIME_MS / 1000 + 5)
        times = NonceTimes(node, blocks, ManualClock(clock_ms))  # type: ignore[arg-type]
        await then(times, node)
        await times.close()

    asyncio.run(run())


def test_many_topics_of_one_block_are_one_question() -> None:
    async def then(times: NonceTimes, node: Any) -> None:
        found = await asyncio.gather(*(times.of(HEIGHT) for _ in range(20)))
        assert set(found) == {NonceTime(TIME_MS, Way.HEADER)}
        assert await times.of(HEIGHT) == found[0]
        assert node.asked == [HEIGHT]

    with_times(truly, then)


def test_what_is_remembered_is_bounded() -> None:
    async def then(times: NonceTimes, node: Any) -> None:
        for height in range(HEIGHT - 3 * MAX_REMEMBERED, HEIGHT):
            await times.of(height)
        assert len(times._asked) == MAX_REMEMBERED
        await times.of(HEIGHT - 1)
        assert len(node.asked) == 3 * MAX_REMEMBERED

    with_times(truly, then)


async def fails(_: int) -> int:
    raise ChainUnreachableError("gone")


async def hangs(_: int) -> int:
    await asyncio.sleep(3600)
    return 0


@pytest.mark.parametrize("wrong_ms", [0, TIME_MS - 10 * 3_600_000, TIME_MS + 600_000, TIME_MS + 10**13, TIME_MS - 900_000])
def test_a_header_that_cannot_be_is_not_believed(wrong_ms: int) -> None:
    async def wrong(_: int) -> int:
        return wrong_ms

    async def then(times: NonceTimes, _: Any) -> None:
        assert await times.of(HEIGHT) == NonceTime(TIME_MS, Way.ESTIMATE)

    with_times(wrong, then)


@pytest.mark.parametrize("answer", [fails, hangs])
def test_without_a_header_it_is_estimated_from_the_pace_and_asked_for_again(answer: Callable[[int], Awaitable[int]]) -> None:
    async def then(times: NonceTimes, node: Any) -> None:
        assert await times.of(HEIGHT - 4, seconds=0.05) == NonceTime(TIME_MS - 20_000, Way.ESTIMATE)
        node._answer = truly
        if answer is fails:
            assert await times.of(HEIGHT - 4) == NonceTime(TIME_MS - 20_000, Way.HEADER)

    with_times(answer, then)


def test_a_chain_whose_headers_are_years_off_leaves_this_machine_s_clock() -> None:
    async def then(times: NonceTimes, _: Any) -> None:
        found = await times.of(HEIGHT + 1)
        assert found.way is Way.ESTIMATE
        assert abs(found.ms - 2_000_000_000_000) < 1000

    with_times(truly, then, clock_ms=2_000_000_000_000)


def by_time(httpserver: HTTPServer, topic: int = 1, token: str = "ETH") -> Topic:
    """A topic whose endpoint is asked by the nonce's time."""
    url = httpserver.url_for("").rstrip("/") + f"/inference/{token}?topic={topic}&nonce_time={{NonceTime}}&block={{BlockHeight}}"
    return Topic(topic, Task(token, Target.PRICE, Duration.parse("10m")), "birnn", "mse", 120, url)


@pytest.fixture
def asked_by_time(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> None:
    """As if config.json's endpoints had the placeholder, whatever this build's template is."""
    topics = (by_time(httpserver), by_time(httpserver, 3, "BTC"))
    monkeypatch.setattr(Config, "topics", lambda *_: topics)


def questions(httpserver: HTTPServer, token: str) -> list[SimpleNamespace]:
    found = []
    for request, _ in httpserver.log:
        place = urlsplit(request.url)
        if place.path == f"/inference/{token}":
            query = parse_qs(place.query)
            found.append(
                SimpleNamespace(
                    block=int(query["block"][0]), ms=int(query["nonce_time"][0]), accepted=request.headers.get(ACCEPTED_HEADER)
                )
            )
    return found


@pytest.mark.usefixtures("asked_by_time")
def test_the_endpoint_is_told_the_header_s_time_and_then_what_was_accepted(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3)
    worker = run_worker(chain, 1, 3)
    accepted = chain.wait_for(1, 3)
    worker.stop()
    asked = {question.block: question for question in questions(inference, "ETH")}
    for before, entry in zip([None, *accepted], accepted, strict=False):
        question = asked[entry.nonce]
        assert question.ms == chain.state.times_ms[entry.nonce] == entry.opened_ms
        assert question.accepted == (None if before is None else str(chain.state.times_ms[before.nonce]))
    assert 'allora_worker_nonce_times_total{way="header"}' in worker.metrics()
    assert 'way="estimate"' not in worker.metrics()


@pytest.mark.usefixtures("asked_by_time")
def test_a_chain_that_does_not_say_a_block_s_time_costs_no_window_and_the_estimate_is_named(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3)
    chain.state.unknown_methods.add("GetBlockByHeight")
    with capture_logs() as logs:
        worker = run_worker(chain, 1, 3)
        accepted = chain.wait_for(1, 3)
        worker.stop()
    asked = {question.block: question for question in questions(inference, "ETH")}
    assert all(abs(asked[entry.nonce].ms - entry.opened_ms) < 2_000 for entry in accepted)
    lines = [line for line in logs if line.get("outcome") == "accepted"]
    assert lines
    assert {line["nonce_time"] for line in lines} == {"estimate"}
    assert 'allora_worker_nonce_times_total{way="estimate"}' in worker.metrics()


def test_an_endpoint_without_the_placeholder_is_told_nothing_and_the_chain_is_not_asked(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1)
    chain.state.unknown_methods.add("GetBlockByHeight")
    endpoint = inference.url_for("/inference/ETH")
    worker = run_worker(chain, {"topicId": 1, "parameters": {"InferenceEndpoint": endpoint}})
    chain.wait_for(1, 3)
    assert "nonce_times_total{" not in worker.metrics()
    assert all(ACCEPTED_HEADER not in request.headers for request, _ in inference.log)


@pytest.mark.usefixtures("asked_by_time")
def test_a_rehearsal_without_the_chain_asks_about_now(tmp_path: Any, inference: HTTPServer) -> None:
    nowhere = {
        "CHAIN_GRPC_URL": "grpc+http://127.0.0.1:1",
        "CHAIN_WEBSOCKET_URL": "ws://127.0.0.1:1/websocket",
        "CHAIN_ID": "localnet",
    }
    worker = RunningWorker(tmp_path, nowhere, inference.url_for("").rstrip("/"), 1, submitTx=False)
    worker.start()
    try:
        wait_until(lambda: questions(inference, "ETH"))
        assert abs(questions(inference, "ETH")[0].ms / 1000 - time.time()) < 60
    finally:
        worker.stop()
