"""Which height is believed, what a block's header is taken for, and that no single wrong answer of a node lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.blocks import MAX_AHEAD_BLOCKS, MAX_BEHIND_BLOCKS, Blocks

START, TIME = 1_000_000, 1_790_000_000.0


def at_start(then: Callable[[Blocks], None]) -> None:
    async def run() -> None:
        blocks = Blocks()
        blocks.saw_header(START, TIME)
        blocks.saw_header(START + 1, TIME + 5.0)
        then(blocks)

    asyncio.run(run())


@pytest.mark.parametrize("height", [START + 600_000, 10**12, 1, START - 600_000])
def test_one_bogus_height_moves_nothing(height: int) -> None:
    def then(blocks: Blocks) -> None:
        assert not blocks.saw_header(height, TIME + 6)
        blocks.saw(height)
        assert blocks.height in {START + 1, START + 2}
        assert blocks.saw_header(START + 2, TIME + 10)
        assert (blocks.jumps, blocks.seconds) == (0, 5.0)

    at_start(then)


@pytest.mark.parametrize("height", [100, START + 500_000])
def test_a_chain_that_goes_on_elsewhere_is_followed_once_two_headers_say_so(height: int) -> None:
    def then(blocks: Blocks) -> None:
        assert not blocks.saw_header(height, TIME + 7)
        assert blocks.saw_header(height + 1, TIME + 12)
        assert (blocks.height, blocks.jumps, blocks.seconds) == (height + 1, 1, 5.0)
        assert blocks.believes(height + 2)
        assert not blocks.believes(height + 1000)

    at_start(then)


def test_a_first_height_that_was_bogus_comes_down_too() -> None:
    async def run() -> None:
        blocks = Blocks()
        blocks.saw_header(10**9, TIME)
        blocks.saw_header(START, TIME + 5)
        blocks.saw_header(START + 1, TIME + 10)
        assert blocks.height == START + 1

    asyncio.run(run())


def test_a_node_that_is_a_little_behind_changes_nothing() -> None:
    def then(blocks: Blocks) -> None:
        assert blocks.saw_header(START - MAX_BEHIND_BLOCKS + 1, TIME - 90)
        assert (blocks.height, blocks.jumps) == (START + 1, 0)

    at_start(then)


def test_an_announcement_may_be_a_little_ahead_and_no_further() -> None:
    def then(blocks: Blocks) -> None:
        assert not blocks.believes(START + MAX_AHEAD_BLOCKS + 10)
        blocks.saw(START + 4)
        assert blocks.height == START + 4
        assert not blocks.believes(0)

    at_start(then)
    assert not Blocks()._header


def test_before_any_header_no_announcement_is_believed() -> None:
    async def run() -> None:
        blocks = Blocks()
        blocks.saw(START)
        assert (blocks.height, blocks.believes(START), blocks.header_time(START)) == (0, False, None)

    asyncio.run(run())


@pytest.mark.parametrize("time", [TIME - 1000, TIME + 10**6, 0.0])
def test_a_header_whose_time_cannot_be_is_doubted(time: float) -> None:
    def then(blocks: Blocks) -> None:
        assert not blocks.saw_header(START + 2, time)
        assert blocks.seconds == 5.0
        assert blocks.header_time(START) == TIME

    at_start(then)


@given(st.integers(-40, 40), st.floats(0.0, 30.0))
def test_the_time_of_a_block_is_believed_if_its_distance_can_be_that_many_blocks(distance: int, pace: float) -> None:
    def then(blocks: Blocks) -> None:
        newest, at = START + 1, TIME + 5.0
        assert blocks.may_have_had(newest + distance, at + distance * pace)
        assert not blocks.may_have_had(newest + distance, at + distance * 30.0 + (200 if distance > 0 else -200))
        assert blocks.may_have_had(newest, at)
        assert not blocks.may_have_had(newest - 5, at + 5)

    at_start(then)


def test_when_a_block_was_made_follows_from_the_pace() -> None:
    def then(blocks: Blocks) -> None:
        assert blocks.header_time(START + 1 - 12) == TIME + 5.0 - 60.0
        assert blocks.height_at(blocks.time_of(START + 9) + 1.0) == START + 9

    at_start(then)
