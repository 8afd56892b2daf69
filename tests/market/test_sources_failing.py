"""Sources that fail, lag or are dead: who is passed over, and for how long."""

from __future__ import annotations

import pytest

from market.sources import LACKING_MS, REST_MS
from node.errors import ExchangeUnreachableError, MarketError, RateLimitedError, UnknownSymbolError
from tests.support.market_candles import MINUTE, NOW_MS
from tests.support.two_sources import BARS, DOWN, LACKS, STEP, SYMBOL, World


@pytest.fixture
def world() -> World:
    return World()


def test_a_source_that_failed_is_asked_last_for_a_minute(world: World) -> None:
    world.binance.error = DOWN
    world.refresh(100)
    asked = world.binance.asked
    world.refresh(100)
    assert world.binance.asked == asked
    world.clock.advance(REST_MS / 1000)
    world.refresh(100)
    assert world.binance.asked == asked + 1


def test_a_rate_limited_source_rests_as_long_as_it_says(world: World) -> None:
    world.binance.error = RateLimitedError("slow down", retry_after=600)
    world.refresh(100)
    world.clock.advance(500)
    world.refresh(100)
    assert world.binance.asked == 1
    world.clock.advance(101)
    world.refresh(100)
    assert world.binance.asked == 2


def test_a_dead_pair_is_one_that_another_source_still_has(world: World) -> None:
    """It answers 200, with old candles and then with none at all."""
    world.refresh()
    world.binance.dead_since = NOW_MS
    world.clock.advance(3 * 3600)
    have, want, gaps, missed = world.refresh()
    assert (have, want, gaps, missed) == (BARS, BARS, 0, ()), "nothing is waited for that does not come back"
    assert world.origins().loc[NOW_MS:].eq("kraken").all()
    assert world.origins().loc[: NOW_MS - STEP].eq("binance").all(), "what it brought while it lived stays"
    asked = world.binance.asked
    world.clock.advance(60)
    world.refresh(180)
    assert world.binance.asked == asked, "it lacks the pair for an hour"


def test_a_source_whose_candles_are_late_is_passed_over_for_a_minute_and_missed(world: World) -> None:
    world.refresh()
    world.binance.dead_since = NOW_MS
    world.clock.advance(70)
    assert world.refresh(180)[3] == (), "a candle may be late by less than a minute"
    world.clock.advance(60)
    assert world.refresh(180)[3] == ("binance",)
    assert world.store.newest(SYMBOL, MINUTE) == MINUTE.last_closed(world.clock.now_ms())
    world.binance.dead_since = None
    world.clock.advance(REST_MS / 1000)
    assert world.refresh(180)[3] == ()
    assert set(world.origins()) == {"binance"}, "and takes its place again"


def test_where_no_source_has_new_candles_that_is_a_complaint_and_no_source_is_to_blame(world: World) -> None:
    world.refresh()
    world.binance.dead_since = world.kraken.dead_since = NOW_MS
    world.clock.advance(2 * 3600)
    for _ in range(2):
        done = world.sources.refresh(world.store, SYMBOL, MINUTE, 180 * STEP)
        assert done.overdue_ms == 2 * 3_600_000 - STEP
        assert done.alert is not None
        assert SYMBOL in done.alert.message
        world.clock.advance(0.001)
        done = world.sources.refresh(world.store, SYMBOL, MINUTE, 180 * STEP)
        world.clock.set_ahead(-0.001)
    assert world.binance.asked >= 4


def test_a_pair_that_never_had_a_candle_at_one_source_comes_from_the_next(world: World) -> None:
    world.binance.held = world.binance.held[:0]
    assert world.refresh()[3] == ()
    assert set(world.origins()) == {"kraken"}


def test_a_clock_that_is_ahead_makes_no_source_a_bad_one(world: World) -> None:
    world.binance.dead_since = world.kraken.dead_since = NOW_MS
    world.refresh(180)
    world.clock.set_ahead(86_400)
    world.refresh(180)
    world.clock.set_ahead(-86_400)
    world.binance.dead_since = world.kraken.dead_since = None
    world.clock.advance(60)
    assert world.refresh(180)[3] == ()
    assert set(world.origins()) == {"binance"}


def test_a_gap_is_no_older_for_a_clock_that_is_ahead(world: World) -> None:
    held = world.binance.held
    world.binance.held = held[~held["open_time"].between(NOW_MS - 20 * STEP, NOW_MS - 11 * STEP)]
    world.clock.set_ahead(86_400)
    world.binance.dead_since = NOW_MS
    world.sources.use(["binance"])
    world.refresh(3000)
    world.clock.set_ahead(-86_400)
    world.binance.held, world.binance.dead_since = held, None
    assert world.refresh(180)[:3] == (180, 180, 0), "it was not taken for a halt"


@pytest.mark.parametrize("ahead", [86_400, -86_400])
@pytest.mark.parametrize("error", [DOWN, LACKS, RateLimitedError("slow down", retry_after=600)])
def test_a_source_rests_no_longer_for_a_clock_that_was_wrong(world: World, error: MarketError, ahead: int) -> None:
    world.binance.error = error
    world.clock.set_ahead(ahead)
    world.refresh(100)
    world.clock.set_ahead(-ahead)
    world.binance.error = None
    world.clock.advance(LACKING_MS / 1000)
    asked = world.binance.asked
    world.refresh(100)
    assert world.binance.asked > asked


def test_if_none_can_be_had_the_error_is_the_best_sources(world: World) -> None:
    world.binance.error, world.kraken.error = DOWN, UnknownSymbolError("no such pair")
    with pytest.raises(ExchangeUnreachableError):
        world.refresh()
    world.binance.error = LACKS
    with pytest.raises(UnknownSymbolError):
        world.refresh()
