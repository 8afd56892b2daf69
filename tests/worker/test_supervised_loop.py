"""No task of the worker ends without a word: it is started again, and health says so meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from allora_sdk.rpc_client.protos.cosmos.base.tendermint.v1beta1 import GetLatestBlockResponse
from allora_sdk.rpc_client.protos.cosmos.base.v1beta1 import DecCoin
from allora_sdk.rpc_client.protos.feemarket.feemarket.v1 import GasPriceResponse
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs

from simulator.chain.cosmos import CosmosQueries
from tests.worker.conftest import RunningChain, RunningWorker, wait_until
from worker import supervised_loop
from worker.chain_answers import price_of
from worker.metrics import Metrics
from worker.service import Worker
from worker.supervised_loop import SupervisedLoop

RunChain = Callable[..., RunningChain]
RunWorker = Callable[..., RunningWorker]


def problems(worker: Worker) -> list[str]:
    return [check.name for check in worker.checks() if not check.ok]


def test_a_task_that_fails_is_started_again_is_visible_and_is_well_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised_loop, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(supervised_loop, "WELL_SECONDS", 0.1)
    began = []

    async def work() -> None:
        began.append(1)
        if len(began) == 1:
            raise KeyError("a fault of ours")
        if len(began) > 2:
            await asyncio.sleep(3600)

    async def run() -> tuple[str | None, str | None, str | None]:
        lasting = SupervisedLoop("it", work, Metrics(CollectorRegistry()))
        await asyncio.sleep(0.005)
        failed = lasting.problem
        while len(began) < 3:
            await asyncio.sleep(0.005)
        ended = lasting.problem
        await asyncio.sleep(0.2)
        well = lasting.problem
        lasting.task.cancel()
        await asyncio.gather(lasting.task, return_exceptions=True)
        assert lasting.problem == "ended"
        return failed, ended, well

    with capture_logs() as logs:
        assert asyncio.run(run()) == ("failed: KeyError: 'a fault of ours'", "it ended by itself", None)
    assert [line["event"] for line in logs] == ["a task of the worker failed, starting it again"]


def test_an_answer_without_a_block_is_a_chain_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer
) -> None:
    truly, empty = CosmosQueries._latest_block, threading.Event()
    monkeypatch.setattr(
        CosmosQueries, "_latest_block", lambda self, request: GetLatestBlockResponse() if empty.is_set() else truly(self, request)
    )
    chain = run_chain(1)
    worker = run_worker(chain, 1)
    chain.wait_for(1)
    empty.set()
    wait_until(lambda: 'chain_troubles_total{reason="chain_unreachable"}' in worker.metrics())
    empty.clear()
    chain.wait_for(1, len(chain.accepted(1)) + 1)
    wait_until(lambda: problems(worker.worker) == [])


@pytest.mark.parametrize("amount", ["0.25", "", "much", "-3", "1e400"])
def test_a_fee_market_that_says_what_it_should_not_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer, amount: str
) -> None:
    answer = GasPriceResponse(price=DecCoin(denom="uallo", amount=amount))
    monkeypatch.setattr(CosmosQueries, "_gas_price", lambda *_: answer)
    chain = run_chain(1)
    worker = run_worker(chain, 1)
    chain.wait_for(1)
    wait_until(lambda: "balance_uallo 1e+24" in worker.metrics())
    assert not [name for name in problems(worker.worker) if name.startswith("task")]


@given(st.text(max_size=40))
def test_no_text_whatever_is_a_price_that_is_not_finite_and_positive(text: str) -> None:
    price: Any = price_of(text)
    assert price is None or 0 < price < float("inf")


@given(st.integers(1, 10**30))
def test_a_price_is_read_in_either_form(price: int) -> None:
    assert price_of(str(price)) == pytest.approx(float(Decimal(price) / Decimal(10**18)))
    assert price_of("0.25") == 0.25
