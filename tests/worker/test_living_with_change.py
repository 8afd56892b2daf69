"""Faults of the chain, one by one and drawn at random: each has its name, and none disturbs another topic."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_httpserver import HTTPServer

from simulator.chain.faults import TRANSACTION_FAULTS
from tests.worker.conftest import RunningChain, RunningWorker, wait_until

RunChain = Callable[..., RunningChain]
RunWorker = Callable[..., RunningWorker]


def answered(chain: RunningChain, worker: RunningWorker, topic: int) -> None:
    """Wait until the topic has one more accepted answer."""
    chain.wait_for(topic, len(chain.accepted(topic)) + 1)


def test_every_fault_of_a_transaction_is_overcome_or_named_and_the_other_topic_goes_on(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3)
    worker = run_worker(chain, 1, 3)
    answered(chain, worker, 1)
    answered(chain, worker, 3)
    for kind in TRANSACTION_FAULTS:
        windows = sum(worker.outcomes(1).values())
        chain.script(kind, topic=1)
        wait_until(lambda kind=kind: chain.state.faults.drawn[kind])
        wait_until(lambda windows=windows: sum(worker.outcomes(1).values()) > windows)
        if not kind.startswith("already"):
            answered(chain, worker, 1)
    assert set(worker.outcomes(1)) <= {"accepted", "already_submitted", "window_closed"}
    assert worker.outcomes(1)["already_submitted"] == 3
    assert set(worker.outcomes(3)) <= {"accepted", "window_closed"}
    chain.assert_nothing_twice()


def test_a_registration_that_is_refused_is_tried_again_and_named_as_what_it_is(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1)
    chain.script("already_78", count=3)
    worker = run_worker(chain, 1)
    chain.wait_for(1)
    assert set(worker.outcomes(1)) <= {"accepted", "submission_refused", "window_closed"}


def test_a_node_that_restarts_is_waited_for_and_windows_missed_meanwhile_are_named(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1)
    worker = run_worker(chain, 1)
    answered(chain, worker, 1)
    chain.script("restart", seconds=2.6)
    wait_until(lambda: worker.outcomes(1).get("chain_unreachable"))
    answered(chain, worker, 1)
    nonces = [entry.nonce for entry in chain.accepted(1)]
    windows = (max(nonces) - min(nonces)) // 12 + 1
    wait_until(lambda: sum(worker.outcomes(1).values()) >= windows)
    chain.assert_nothing_twice()


def test_a_silent_websocket_costs_no_window(run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer) -> None:
    chain = run_chain(1)
    chain.script("websocket_silence", seconds=60)
    worker = run_worker(chain, 1)
    chain.wait_for(1, 3)
    assert set(worker.outcomes(1)) <= {"accepted", "window_closed"}


def test_an_api_that_moved_is_named_and_waited_for(run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer) -> None:
    chain = run_chain(1)
    chain.script("unimplemented", seconds=2)
    worker = run_worker(chain, 1)
    wait_until(lambda: 'chain_troubles_total{reason="chain_api"}' in worker.metrics())
    problem = next(check for check in worker.worker.checks() if check.name == "chain")
    assert (problem.ok, "emissions/v10" in problem.detail) in {(False, True), (True, False)}
    chain.wait_for(1)


def test_another_chains_node_is_refused_until_the_right_one_answers(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1)
    chain.state.chain_id = "allora-othernet"
    worker = run_worker(chain, 1)
    wait_until(lambda: 'chain_troubles_total{reason="wrong_chain"}' in worker.metrics())
    assert chain.state.submissions == []
    chain.state.chain_id = "localnet"
    chain.wait_for(1)


def test_a_wallet_that_is_not_whitelisted_stops_that_topic_alone_until_it_is(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3)
    chain.state.topics[1].whitelist = set()
    worker = run_worker(chain, 1, 3)
    worker.wait_for(1, "not_whitelisted")
    chain.wait_for(3)
    assert chain.accepted(1) == []
    chain.state.topics[1].whitelist = None
    chain.wait_for(1)


def test_an_inactive_topic_is_asked_about_again_and_the_others_go_on(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3)
    chain.state.topics[1].active = False
    worker = run_worker(chain, 1, 3)
    chain.wait_for(3)
    check = next(check for check in worker.worker.checks() if check.name == "topic 1")
    assert not check.ok
    assert "inactive" in check.detail
    chain.state.topics[1].active = True
    chain.wait_for(1)


@pytest.mark.parametrize(
    "metadata", ["ETH/USD - 8h Price Prediction", "BTC/USD - 10m Price Prediction", "ETH/USD - 10m Log-Return Prediction"]
)
def test_a_topic_that_means_something_else_on_the_chain_is_never_answered(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer, metadata: str
) -> None:
    chain = run_chain(1, 3)
    chain.state.topics[1].metadata = metadata
    worker = run_worker(chain, 1, 3)
    worker.wait_for(1, "topic_differs")
    chain.wait_for(3)
    assert chain.accepted(1) == []


def test_a_wallet_without_funds_is_named_and_funds_cure_it(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1)
    worker = run_worker(chain, 1)
    chain.wait_for(1)
    (account,) = chain.state.accounts.values()
    account.balance = 0
    worker.wait_for(1, "no_funds")
    account.balance = 10**20
    answered(chain, worker, 1)


def test_fees_are_raised_within_the_maximum_and_never_beyond(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1)
    chain.state.gas_price = 2
    worker = run_worker(chain, 1, gasPrices=1.0, maxFees=2_000_000)
    paid = chain.wait_for(1)
    assert paid
    assert any(entry["code"] == 13 for entry in chain.state.refused)
    chain.state.gas_price = 50
    worker.wait_for(1, "fee_too_high")
    chain.state.gas_price = 1
    answered(chain, worker, 1)


def test_no_more_retries_are_made_than_the_config_allows(run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer) -> None:
    chain = run_chain(1)
    worker = run_worker(chain, 1, maxRetries=0)
    answered(chain, worker, 1)
    chain.script("sequence_mismatch", topic=1)
    worker.wait_for(1, "submission_refused")
    assert sum(entry["code"] == 32 for entry in chain.state.refused) == 1
    answered(chain, worker, 1)


def test_gas_that_does_not_suffice_is_raised(run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer) -> None:
    chain = run_chain(1)
    chain.state.gas_needed = 600_000
    run_worker(chain, 1)
    chain.wait_for(1)
    assert any(entry["code"] == 11 for entry in chain.state.refused)


def test_random_faults_leave_every_window_accepted_or_named(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3, 37, 8, share=0.4)
    worker = run_worker(chain, 1, 3, 37, 8)
    for number in (1, 3, 37, 8):
        chain.wait_for(number, 2)
    worker.stop()
    chain.assert_nothing_twice()
    for number in (1, 3, 37, 8):
        entries = chain.accepted(number)
        windows = (entries[-1].nonce - entries[0].nonce) // 12 + 1
        assert sum(worker.outcomes(number).values()) >= windows
        assert "unforeseen" not in worker.outcomes(number)
    assert sum(chain.state.faults.drawn.values()) > 3


def test_an_edited_wallet_starts_anew_and_a_wallet_that_cannot_be_read_changes_nothing(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1)
    worker = run_worker(chain, 1)
    first = chain.wait_for(1)[0].worker
    worker.wallet["mnemonicFile"] = "/nowhere/mnemonic"
    worker.configure(1)
    answered(chain, worker, 1)
    answered(chain, worker, 1)
    other = worker.folder / "other"
    other.write_text("abandon " * 11 + "about")
    other.chmod(0o600)
    worker.wallet["mnemonicFile"] = str(other)
    worker.configure(1)
    wait_until(lambda: len({entry.worker for entry in chain.accepted(1)}) == 2)
    assert chain.accepted(1)[0].worker == first


def test_an_edit_that_names_no_chains_node_or_cannot_be_taken_up_changes_nothing(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1)
    worker = run_worker(chain, 1)
    chain.wait_for(1)
    good = worker.worker._config.current
    for wrong in (
        {"nodeGrpcs": ["https://node.example.org:443"]},
        {"nodeGrpcs": ["node:x"]},
        {"mnemonicFile": "/nowhere/mnemonic"},
    ):
        before = dict(worker.wallet)
        worker.wallet |= wrong
        worker.configure(1, 13)
        worker.wallet = before
        answered(chain, worker, 1)
        answered(chain, worker, 1)
        assert worker.worker._config.current == good
    assert worker._thread.is_alive()
