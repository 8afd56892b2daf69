"""When a window closes, in whichever unit the chain measures, and what becomes of windows that cannot be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from node.durations import Duration
from node.topics import Target, Task, Topic
from simulator.chain.topics import OLDER_QUERY, Measure
from tests.worker.conftest import RunningChain, RunningWorker
from worker.blocks import Blocks
from worker.chain_answers import TopicOnChain
from worker.outcomes import Outcome
from worker.windows import MAX_NAMED_GAPS, Unit, Window, Windows, convert, unit_of

RunChain = Callable[..., RunningChain]
RunWorker = Callable[..., RunningWorker]
HEIGHT, TIME = 1_000_000, 1_790_000_000.0
TOPIC = Topic(1, Task("ETH", Target.PRICE, Duration.parse("10m")), "birnn", "mse", 120, "http://x/")


def found(epoch: int = 120, window: int = 12) -> TopicOnChain:
    return TopicOnChain(1, "", "mse", epoch, window, 120, is_multiple=False, active=True)


@given(st.floats(0.01, 1e6), st.floats(0.05, 30.0))
def test_a_length_in_the_other_unit_and_back_is_itself(length: float, block_seconds: float) -> None:
    there = convert(length, Unit.BLOCKS, Unit.SECONDS, block_seconds)
    assert there == length * block_seconds
    assert convert(there, Unit.SECONDS, Unit.BLOCKS, block_seconds) == pytest.approx(length)
    assert convert(length, Unit.SECONDS, Unit.SECONDS, block_seconds) == length


@pytest.mark.parametrize(
    ("epoch", "window", "told", "unit"),
    [
        (120, 12, 12, Unit.BLOCKS), (120, 12, 11, Unit.BLOCKS), (720, 72, 12, Unit.SECONDS), (720, 72, 14, Unit.SECONDS),
        (120, 12, 0, Unit.BLOCKS), (720, 72, 0, Unit.SECONDS), (600, 60, 0, Unit.SECONDS), (300, 12, 0, None), (300, 12, 300, None),
    ],
)  # fmt: skip
def test_the_unit_is_read_from_the_event_or_else_from_the_epoch(epoch: int, window: int, told: int, unit: Unit | None) -> None:
    assert unit_of(found(epoch, window), told, 120, 5.0) is unit


class Told:
    """What one topic's windows are made of: a chain that is asked, and what was recorded."""

    def __init__(self, on_chain: TopicOnChain, open_nonces: list[int] | None = None, end: int = 0) -> None:
        self.blocks, self.recorded, self.on_chain = Blocks(), [], on_chain
        self.blocks.saw_header(HEIGHT, TIME)
        self.blocks.saw_header(HEIGHT + 1, TIME + 5)

        async def nonces(_: int) -> list[int]:
            return open_nonces or []

        async def window_end(_: int, __: int) -> int:
            return end

        chain: Any = SimpleNamespace(open_nonces=nonces, window_end=window_end)
        connection: Any = SimpleNamespace(opened_at_height=1, last_problem=None, suspect=lambda _: None)
        self.windows = Windows(TOPIC, chain, connection, self.blocks, self.recorded.append)
        self.windows.found = on_chain

    recorded: list[Outcome]


def of(told: Callable[[], Told], then: Callable[[Told], Awaitable[None]]) -> None:
    async def run() -> None:
        await then(told())

    asyncio.run(run())


async def one(told: Told, nonce: int, end: int) -> Window:
    await told.windows.next()  # the chain is asked first
    told.windows.opened(nonce, end)
    (window,) = await told.windows.next()
    return window


def test_a_window_in_blocks_closes_with_its_last_block() -> None:
    async def then(told: Told) -> None:
        window = await one(told, HEIGHT + 1, HEIGHT + 13)
        assert (window.end, window.sure, window.closes) == (HEIGHT + 13, True, told.blocks.time_of(HEIGHT + 13))

    of(lambda: Told(found()), then)


def test_a_window_in_seconds_closes_by_the_clock_even_if_blocks_are_left() -> None:
    async def then(told: Told) -> None:
        window = await one(told, HEIGHT + 1, HEIGHT + 1 + 16)
        opened = told.blocks.time_of(HEIGHT + 1)
        assert (window.closes, window.end, window.sure) == (opened + 72, HEIGHT + 15, True)

    of(lambda: Told(found(720, 72)), then)


def test_without_a_told_end_a_known_epoch_tells_the_unit_and_without_that_nobody_waits() -> None:
    async def seconds(told: Told) -> None:
        assert (await one(told, HEIGHT + 1, 0)).closes == told.blocks.time_of(HEIGHT + 1) + 72

    async def unsure(told: Told) -> None:
        window = await one(told, HEIGHT + 1, 0)
        assert (window.end, window.sure) == (HEIGHT + 13, False)

    of(lambda: Told(found(720, 72)), seconds)
    of(lambda: Told(found(333, 12)), unsure)


def test_the_chain_itself_is_asked_for_a_window_s_end_when_it_was_not_announced() -> None:
    async def then(told: Told) -> None:
        (window,) = await told.windows.next()
        assert (window.nonce, window.end, window.announced) == (HEIGHT, HEIGHT + 12, False)
        told.windows.opened(HEIGHT, HEIGHT + 12)
        assert await told.windows.next() == []  # handed out once

    of(lambda: Told(found(), [HEIGHT], HEIGHT + 12), then)


def test_a_window_600000_blocks_ahead_is_not_believed_and_moves_nothing() -> None:
    async def then(told: Told) -> None:
        await told.windows.next()
        started = time.process_time()
        told.windows.opened(HEIGHT + 600_000, HEIGHT + 600_012)
        assert await told.windows.next() == []
        told.windows.opened(HEIGHT + 1, HEIGHT + 13)
        assert len(await told.windows.next()) == 1
        assert told.recorded == []
        assert told.blocks.height < HEIGHT + 20
        assert time.process_time() - started < 1.0

    of(lambda: Told(found()), then)


def test_a_gap_of_a_month_is_named_in_a_few_lines() -> None:
    async def then(told: Told) -> None:
        await one(told, HEIGHT + 1, 0)
        told.blocks.saw_header(HEIGHT + 600_001, TIME + 3_000_005)
        told.blocks.saw_header(HEIGHT + 600_002, TIME + 3_000_010)
        told.windows._jumps = told.blocks.jumps  # as if the headers had been followed all the while
        told.windows.opened(HEIGHT + 600_001, 0)
        assert len(await told.windows.next()) == 1
        assert len(told.recorded) == MAX_NAMED_GAPS
        assert "nor were 4979 before it" in told.recorded[0].reason
        assert [outcome.nonce for outcome in told.recorded][-1] == HEIGHT + 600_001 - 120

    of(lambda: Told(found()), then)


def test_on_a_chain_that_starts_again_lower_windows_are_answered_anew() -> None:
    async def then(told: Told) -> None:
        await one(told, HEIGHT + 1, 0)
        told.blocks.saw_header(90, TIME + 10)
        told.blocks.saw_header(91, TIME + 15)
        told.windows.opened(91, 103)
        (window,) = await told.windows.next()
        assert (window.end, told.recorded) == (103, [])

    of(lambda: Told(found()), then)


@pytest.mark.parametrize(
    "unknown",
    [{"GetOpenWorkerSubmissionWindows"}, {OLDER_QUERY}, {"GetOpenWorkerSubmissionWindows", "GetWorkerSubmissionWindowStatus"}],
)
def test_a_method_that_the_chain_has_not_got_is_not_taken_for_a_moved_api(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer, unknown: set[str]
) -> None:
    chain = run_chain(1)
    chain.state.unknown_methods |= unknown
    chain.script("websocket_silence", seconds=60)
    worker = run_worker(chain, 1)
    chain.wait_for(1, 2)
    assert "chain_api" not in worker.metrics()
    assert set(worker.outcomes(1)) <= {"accepted", "window_closed"}


@pytest.mark.parametrize("silent", [False, True], ids=["announced", "asked for"])
def test_windows_in_seconds_are_all_answered(
    run_chain: RunChain, run_worker: RunWorker, inference: HTTPServer, silent: bool
) -> None:
    chain = run_chain(1, measure=Measure.SECONDS)
    if silent:
        chain.script("websocket_silence", seconds=60)
    worker = run_worker(chain, 1)
    chain.wait_for(1, 3)
    assert set(worker.outcomes(1)) <= {"accepted", "window_closed"}
    assert worker.outcomes(1).get("window_closed", 0) <= 1
    chain.assert_nothing_twice()
