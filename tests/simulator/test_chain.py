"""The simulated chain is what the network's own package takes for a chain, and refuses what a chain refuses."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from allora_sdk.rpc_client.config import AlloraNetworkConfig, AlloraWalletConfig
from allora_sdk.worker.worker import AlloraWorker
from cosmpy.aerial.wallet import LocalWallet

from node.clock import SystemClock
from simulator.chain.faults import Fault, Faults
from simulator.chain.server import SimulatedChain
from simulator.chain.state import ChainState
from simulator.chain.topics import numbered
from simulator.chain.web import WINDOW_OPENED, matches
from tests.worker.conftest import RunningChain, run_chain

__all__ = ["run_chain"]


def test_the_packages_own_worker_registers_and_submits_on_it() -> None:
    """No part of this node is in between: what passes here passes there."""

    async def submit() -> ChainState:
        state = ChainState({topic.id: topic for topic in numbered([3], "testnet", 12, 12)})
        chain = SimulatedChain(state, SystemClock(), block_seconds=0.2)
        await chain.start()
        worker = AlloraWorker.inferer(
            run=lambda _: 73984.23,
            wallet=AlloraWalletConfig(wallet=LocalWallet.generate("allo")),
            network=AlloraNetworkConfig.local(port=chain.port, websocket_url=f"ws://127.0.0.1:{chain.http_port}/websocket"),
            topic_id=3,
            show_banner=False,
        )
        async for result in worker.run(timeout=30):
            assert not isinstance(result, Exception), result
            break
        await worker.client.close()
        await chain.stop()
        return state

    state = asyncio.run(submit())
    assert [entry.value for entry in state.submissions][:1] == ["73984.23"]
    assert len(state.topics[3].registered) == 1


def test_windows_open_every_epoch_one_topic_after_the_other() -> None:
    state = ChainState({topic.id: topic for topic in numbered([1, 3], "testnet", 6, 4)})
    opened = {height: [topic.id for topic in state.advance(height * 1000)] for height in range(101, 114)}
    assert [height for height, topics in opened.items() if topics == [1]] == [102, 108]
    assert [height for height, topics in opened.items() if topics == [3]] == [103, 109]
    assert state.topics[1].open_nonces(112) == [108]
    assert state.topics[1].open_nonces(113) == []


@pytest.mark.parametrize(
    ("query", "is_wanted"),
    [
        (f"tm.event='NewBlockEvents' AND {WINDOW_OPENED}.topic_id = '\"3\"'", True),
        (f"tm.event='NewBlockEvents' AND {WINDOW_OPENED}.topic_id = '\"4\"'", False),
        (f"tm.event='NewBlockEvents' AND {WINDOW_OPENED}.topic_id EXISTS", True),
        ("tm.event='NewBlockEvents' AND emissions.v10.EventRewardsSettled.topic_id EXISTS", False),
        ("tm.event='NewBlockHeader'", False),
    ],
)
def test_a_subscription_gets_what_its_query_asks_for(query: str, is_wanted: bool) -> None:
    assert matches(query, WINDOW_OPENED, {"topic_id": '"3"'}) is is_wanted


def test_faults_are_scripted_over_http_and_wrong_ones_refused(run_chain: Callable[..., RunningChain]) -> None:
    chain = run_chain(1)
    url = chain.environment["CHAIN_WEBSOCKET_URL"].replace("ws://", "http://").replace("/websocket", "/faults")

    def post(fault: dict[str, Any]) -> int:
        request = urllib.request.Request(url, json.dumps(fault).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert post({"kind": "lost", "topic": 1}) == 200
    assert post({"kind": "earthquake"}) == 400
    assert chain.state.faults.for_transaction(3) is None
    assert chain.state.faults.for_transaction(1) == "lost"


def test_the_same_seed_draws_the_same_faults() -> None:
    draws = [[Faults(0.5, seed=3).for_transaction(1) for _ in range(1)] + [Faults(0.5, seed=3).share] for _ in range(2)]
    assert draws[0] == draws[1]
    faults = Faults()
    faults.add(Fault("out_of_gas", count=2), 0)
    assert [faults.for_transaction(7) for _ in range(3)] == ["out_of_gas", "out_of_gas", None]
