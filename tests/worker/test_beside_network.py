"""The worker beside the simulated chain's other workers, which answer from an exchange's candles in the network's unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs

from simulator.chain.others import OtherWorkers
from tests.worker.conftest import PRICES, RunningChain, RunningWorker, wait_until
from worker.chain_answers import NetworkInferences
from worker.outcomes import Outcome
from worker.peers import said_by_others

RunChain = Callable[..., RunningChain]
RunWorker = Callable[..., RunningWorker]


async def prices(symbol: str, start_ms: int, end_ms: int) -> Mapping[int, float]:
    """Every minute the price that inference answers too."""
    return dict.fromkeys(range(start_ms, end_ms + 1, 60_000), float(PRICES[symbol.removesuffix("USDT")]))


def others(factor: float = 1.0, number: int = 5) -> OtherWorkers:
    return OtherWorkers(number, prices, factor)


def beside(worker: RunningWorker, topic: int = 1) -> str:
    """What health says of the comparison."""
    return next((check.detail for check in worker.worker.checks() if check.name == f"topic {topic} beside the network"), "")


def test_beside_normal_workers_every_window_is_answered_and_nothing_is_said(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, 3, others=others())
    with capture_logs() as logs:
        worker = run_worker(chain, 1, 3)
        chain.wait_for(1, 8)
        chain.wait_for(3, 8)
        wait_until(lambda: "of 5 other workers" in beside(worker))
    assert set(worker.outcomes(1)) | set(worker.outcomes(3)) <= {"accepted", "window_closed"}
    assert not [line for line in logs if "two units" in str(line)]
    assert 'allora_worker_unit_suspected{topic="1"} 0.0' in worker.metrics()
    assert 'allora_worker_network_others{topic="1"} 5.0' in worker.metrics()


@pytest.mark.parametrize("factor", [1e4, 1e-4])
def test_beside_workers_ten_thousand_times_off_it_is_said_within_three_windows_and_withheld_until_they_agree(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer, factor: float
) -> None:
    chain = run_chain(1)
    worker = run_worker(chain, 1)
    chain.wait_for(1, 2)
    chain.play_others(others(factor))
    with capture_logs() as logs:
        worker.wait_for(1, "unit_suspected")
        first = len(chain.accepted(1))
        wait_until(lambda: worker.outcomes(1).get("unit_suspected", 0) >= 3)
    assert len(chain.accepted(1)) == first
    (said,) = [line for line in logs if line["event"] == "our answers and the network's look like two units"]
    assert (said["windows"], said["withheld"], "decimal point" in said["found"]) == (3, True, True)
    assert 'allora_worker_unit_suspected{topic="1"} 1.0' in worker.metrics()
    assert not all(check.ok for check in worker.worker.checks())
    chain.play_others(others())
    chain.wait_for(1, first + 2)
    assert 'allora_worker_unit_suspected{topic="1"} 0.0' in worker.metrics()


def test_beside_two_others_nothing_is_concluded(run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer) -> None:
    chain = run_chain(1, others=others(1e4, number=2))
    worker = run_worker(chain, 1)
    wait_until(lambda: "only 2 other workers" in beside(worker))
    chain.wait_for(1, 5)
    assert set(worker.outcomes(1)) <= {"accepted", "window_closed"}
    assert "network_median{" not in worker.metrics()


def test_at_the_start_they_are_compared_before_any_window(
    monkeypatch: pytest.MonkeyPatch, run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    chain = run_chain(1, others=others())
    wait_until(lambda: chain.state.topics[1].settled(chain.state.height, chain.state.time_ms))
    chain.state.topics[1].active = False
    worker = run_worker(chain, 1)
    wait_until(lambda: "topic" in str(worker.worker.checks()))
    chain.state.topics[1].active = True
    wait_until(lambda: "of 5 other workers" in beside(worker))
    agents = [request.headers["User-Agent"] for request, _ in inference.log]
    assert agents[0] == "allora-worker-rehearsal"


def test_our_own_answer_is_not_another_s_and_old_ones_say_nothing() -> None:
    found = NetworkInferences(1000, {"a": 1.0, "b": 2.0, "c": 3.0, "me": 9.0})
    said = said_by_others(found, "me", 1060, epoch=60, window=12)
    assert (said.values, said.unknown) == ((1.0, 2.0, 3.0), "")
    for nonce in (1000 + 3 * 60 + 13, 900):
        assert "too far" in said_by_others(found, "me", nonce, epoch=60, window=12).unknown
    assert said_by_others(NetworkInferences(1000, {"me": 9.0}), "me", 1060, epoch=60, window=12).unknown
    assert said_by_others(None, "me", 1060, epoch=60, window=12).values == ()


def test_an_outcome_of_its_own_is_no_good_one() -> None:
    assert not Outcome(1, 100, "unit_suspected").is_good
