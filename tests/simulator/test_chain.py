"""The simulated chain is what the network's own package takes for a chain, and refuses what a chain refuses."""

from __future__ import annotations

import asyncio
import json
import statistics
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from allora_sdk.rpc_client.config import AlloraNetworkConfig, AlloraWalletConfig
from allora_sdk.worker.worker import AlloraWorker
from cosmpy.aerial.wallet import LocalWallet

from node.clock import ManualClock, SystemClock
from node.durations import Interval
from simulator.chain.faults import Fault, Faults
from simulator.chain.others import OtherWorkers, exchange_prices
from simulator.chain.server import SimulatedChain
from simulator.chain.state import ChainState
from simulator.chain.topics import in_seconds, numbered
from simulator.chain.web import WINDOW_OPENED, matches
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.exchange_server import running_exchange
from tests.worker.conftest import RunningChain, measure, run_chain

__all__ = ["measure", "run_chain"]


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


def test_windows_in_seconds_open_with_the_clock_and_close_by_it_whatever_the_blocks() -> None:
    topics = numbered([1], "testnet", 12, 6)
    in_seconds(topics, 5.0)
    state = ChainState({1: topics[0]}, time_ms=60_000_000)
    (topic,) = topics
    assert (topic.epoch_seconds, topic.window_seconds, topic.ground_truth_lag) == (60, 30, 600)
    opened = {}
    for second in range(0, 180, 4):
        if state.advance(60_000_000 + second * 1000):
            opened[state.height] = second
        nonces = topic.open_nonces(state.height, state.time_ms)
        assert nonces == [height for height, since in opened.items() if second - since <= 30]
    assert list(opened.values()) == [0, 60, 120]


async def minutes_of(symbol: str, start_ms: int, end_ms: int) -> dict[int, float]:
    candles = MARKET.candles(symbol, Interval.MINUTE, NOW_MS).between(start_ms - 60_000, end_ms - 60_000)
    return {int(time) + 60_000: float(close) for time, close in zip(candles.open_time, candles.values[:, 3], strict=True)}


MARKET, NOW_MS = SyntheticMarket(1, 3), 1_790_000_033_917


def test_other_workers_answer_in_the_network_s_unit_from_the_exchange_s_own_minutes() -> None:
    topics = numbered([1, 72, 79, 85, 60], "testnet", 12, 12)
    for topic in topics:
        asyncio.run(OtherWorkers(5, minutes_of).answer(topic, 120, NOW_MS))
    said = {topic.id: [float(value) for value in topic.rounds.get(120, {}).values()] for topic in topics}
    base = NOW_MS - NOW_MS % 60_000
    closes = MARKET.candles("ETHUSDT", Interval.MINUTE, NOW_MS).between(base - 241 * 60_000, base - 60_000).values[:, 3]
    bitcoin = MARKET.candles("BTCUSDT", Interval.MINUTE, NOW_MS).between(base - 16 * 60_000, base - 60_000).values[:, 3]
    assert statistics.median(said[1]) == pytest.approx(closes[-1], rel=0.002)
    assert all(abs(value) < 0.02 for value in said[72])
    # Deviation of the interval's one-minute returns, times the root of their number: not that of one minute.
    for number, prices in ((79, bitcoin), (85, closes)):
        returns = np.diff(np.log(prices))
        truth = returns.std(ddof=1) * len(returns) ** 0.5
        assert statistics.median(said[number]) == pytest.approx(truth, rel=0.3)
    assert said[60] == []  # the exchange has no gold


def test_other_workers_can_be_off_by_a_factor_and_are_told_once_their_window_is_over() -> None:
    (topic,) = numbered([1], "testnet", 12, 12)
    asyncio.run(OtherWorkers(3, minutes_of, factor=100.0).answer(topic, 120, NOW_MS))
    plain = numbered([1], "testnet", 12, 12)[0]
    asyncio.run(OtherWorkers(3, minutes_of).answer(plain, 120, NOW_MS))
    for worker, value in topic.rounds[120].items():
        assert float(value) == pytest.approx(100 * float(plain.rounds[120][worker]))
    assert topic.settled(132, 0) is None
    assert topic.settled(133, 0) == 120


def test_an_exchange_that_cannot_be_had_makes_no_other_workers() -> None:
    (topic,) = numbered([1], "testnet", 12, 12)
    asyncio.run(OtherWorkers(3, exchange_prices("http://127.0.0.1:1")).answer(topic, 120, NOW_MS))
    assert topic.rounds == {}


def test_other_workers_ask_the_simulated_exchange() -> None:
    with running_exchange(MARKET, ManualClock(NOW_MS)) as url:
        (topic,) = numbered([79], "testnet", 12, 12)
        asyncio.run(OtherWorkers(3, exchange_prices(url)).answer(topic, 120, NOW_MS))
        (same,) = numbered([79], "testnet", 12, 12)
        asyncio.run(OtherWorkers(3, minutes_of).answer(same, 120, NOW_MS))
    assert topic.rounds == same.rounds
    assert len(topic.rounds[120]) == 3


def test_the_same_seed_draws_the_same_faults() -> None:
    draws = [[Faults(0.5, seed=3).for_transaction(1) for _ in range(1)] + [Faults(0.5, seed=3).share] for _ in range(2)]
    assert draws[0] == draws[1]
    faults = Faults()
    faults.add(Fault("out_of_gas", count=2), 0)
    assert [faults.for_transaction(7) for _ in range(3)] == ["out_of_gas", "out_of_gas", None]
