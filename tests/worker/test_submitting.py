"""The worker on a chain that checks sequence, fee, signature and window of everything it is sent."""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from simulator.chain.topics import Measure
from tests.worker.conftest import PRICES, RunningChain, RunningWorker, wait_until

RunChain = Callable[..., RunningChain]
RunWorker = Callable[..., RunningWorker]


@pytest.fixture(params=list(Measure))
def measure(request: pytest.FixtureRequest) -> Measure:
    """All of this holds whether the chain measures windows in blocks or in seconds."""
    return Measure(request.param)


FROM_THE_START = {"accepted", "window_closed"}
"""A worker that starts may find a window that is about to close."""


def test_every_topic_is_submitted_once_a_window_from_one_wallet(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3, 37)
    run_worker(chain, 1, 3, 37)
    for number, token in ((1, "ETH"), (3, "BTC"), (37, "SOL")):
        entries = chain.wait_for(number, 3)
        assert {entry.value for entry in entries} == {PRICES[token]}
        nonces = [entry.nonce for entry in entries]
        assert all(abs(later - earlier - 12) <= 2 for earlier, later in pairwise(nonces))
    chain.assert_nothing_twice()


def test_a_dry_run_needs_no_wallet_and_sends_nothing(run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer) -> None:
    chain = run_chain(1)
    worker = run_worker(chain, 1, submitTx=False, mnemonicFile="/nowhere")
    worker.wait_for(1, "dry_run")
    assert chain.state.accounts == {}


def test_a_dry_run_without_a_chain_still_shows_that_there_is_an_answer(tmp_path: Path, inference: HTTPServer) -> None:
    nowhere = {
        "CHAIN_GRPC_URL": "grpc+http://127.0.0.1:1",
        "CHAIN_WEBSOCKET_URL": "ws://127.0.0.1:1/websocket",
        "CHAIN_ID": "localnet",
    }
    worker = RunningWorker(tmp_path, nowhere, inference.url_for("").rstrip("/"), 1, submitTx=False)
    worker.start()
    try:
        wait_until(lambda: inference.log)
        assert "cannot be reached" in worker.worker.checks()[0].detail
    finally:
        worker.stop()


def test_the_answer_is_fetched_late_in_the_window(run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer) -> None:
    chain = run_chain(1, block_seconds=0.5)
    run_worker(chain, 1)
    late = [entry.height - entry.nonce for entry in chain.wait_for(1, 3)][1:]
    assert all(3 <= blocks <= 8 for blocks in late)


def test_editing_the_config_adds_and_removes_topics_and_leaves_the_others_alone(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3, 37)
    worker = run_worker(chain, 1, 3)
    chain.wait_for(3)
    worker.configure(1, 37)
    chain.wait_for(37)
    worker.configure(1, 99999)
    count = len(chain.accepted(1))
    left = len(chain.accepted(3))
    chain.wait_for(1, count + 2)
    assert len(chain.accepted(3)) == left
    assert set(worker.outcomes(1)) <= FROM_THE_START


def test_inference_that_is_down_for_half_of_every_window_costs_no_window(
    run_chain: RunChain, run_worker: RunWorker, httpserver: HTTPServer
) -> None:
    chain = run_chain(1, 3, block_seconds=0.25)  # half a window must be time enough on a busy machine

    def half(_: Request) -> Response:
        height = chain.state.height
        is_early = any(height - nonce < 6 for nonce in chain.state.topics[1].open_nonces(height, chain.state.time_ms)[-1:])
        return Response("not yet", status=503, headers={"Retry-After": "5"}) if is_early else Response("2535.91")

    httpserver.expect_request("/inference/ETH").respond_with_handler(half)
    httpserver.expect_request("/inference/BTC").respond_with_data("73984.23")
    worker = run_worker(chain, 1, 3)
    chain.wait_for(1, 3)
    assert set(worker.outcomes(1)) <= FROM_THE_START
    assert set(worker.outcomes(3)) <= FROM_THE_START


@pytest.mark.parametrize("body", ["nan", "<html>oops</html>", "", "1" * 2000, "-5"])
def test_nothing_wrong_is_ever_submitted(run_chain: RunChain, run_worker: RunWorker, httpserver: HTTPServer, body: str) -> None:
    chain = run_chain(1, block_seconds=0.1)
    httpserver.expect_request("/inference/ETH").respond_with_data(body)
    worker = run_worker(chain, 1)
    wait_until(lambda: {"no_answer", "implausible"} & set(worker.outcomes(1)))
    assert set(worker.outcomes(1)) <= {"no_answer", "implausible", "window_closed"}
    assert chain.state.submissions == []


def test_inference_that_never_answers_holds_up_no_other_topic(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        worker = run_worker(chain, {"topicId": 1, "parameters": {"InferenceEndpoint": endpoint}}, 3)
        chain.wait_for(3, 2)
        worker.wait_for(1, "no_answer")
    assert chain.accepted(1) == []


def test_a_price_that_jumps_out_of_all_proportion_is_withheld(
    run_chain: RunChain, run_worker: RunWorker, httpserver: HTTPServer
) -> None:
    chain = run_chain(1)
    answer = ["2535.91"]
    httpserver.expect_request("/inference/ETH").respond_with_handler(lambda _: Response(answer[0]))
    worker = run_worker(chain, 1)
    chain.wait_for(1)
    answer[0] = "73984.23"
    worker.wait_for(1, "implausible")
    answer[0] = "2400"
    wait_until(lambda: chain.accepted(1)[-1].value == "2400.0")
    assert {entry.value for entry in chain.accepted(1)} == {"2535.91", "2400.0"}


def test_it_ends_within_five_seconds_even_in_the_middle_of_a_submission(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3, block_seconds=0.5)
    worker = run_worker(chain, 1, 3)
    wait_until(lambda: chain.state.mempool)
    assert worker.stop() < 5
    assert "transaction_lost" not in worker.outcomes(1)
    chain.assert_nothing_twice()
