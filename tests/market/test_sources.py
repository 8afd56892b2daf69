"""Several sources: who is asked, who stands in, and that a bar is of one source whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.sources import LACKING_MS, REST_MS, open_sources
from node.environment import Settings
from tests.support.market_candles import NOW_MS
from tests.support.two_sources import BARS, DOWN, LACKS, STEP, World


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_source_alone_is_asked_while_it_answers(world: World) -> None:
    assert world.refresh() == (BARS, BARS, 0, ())
    assert world.kraken.asked == 0
    assert set(world.origins()) == {"binance"}


def test_a_token_the_first_source_lacks_comes_from_the_second(world: World) -> None:
    world.binance.error = LACKS
    assert world.refresh() == (700, 700, 0, ())
    assert set(world.origins()) == {"kraken"}
    world.refresh()
    assert world.binance.asked == 1
    world.clock.advance(LACKING_MS / 1000 + 1)
    world.refresh()
    assert world.binance.asked == 2


def test_nobody_wants_what_no_source_can_give_but_what_is_kept_counts(world: World) -> None:
    world.sources.use(["kraken"])
    assert world.refresh() == (700, 700, 0, ())
    world.clock.advance(300 * 60)
    assert world.refresh() == (1000, 1000, 0, ())


def test_while_the_first_is_down_the_second_stands_in_and_says_so(world: World) -> None:
    world.refresh()
    world.binance.error = DOWN
    world.clock.advance(10 * 60)
    have, want, _, missed = world.refresh()
    assert (have, want, missed) == (BARS, BARS, ("binance",))
    assert (world.origins() == "kraken").sum() == 10


def test_the_stand_in_never_replaces_what_the_better_source_brought(world: World) -> None:
    world.refresh()
    world.binance.error = DOWN
    for _ in range(3):
        world.clock.advance(60)
        world.refresh()
    origins = world.origins()
    assert (origins[origins.index < NOW_MS] == "binance").all()


def test_the_better_source_replaces_the_stand_ins_candles_when_it_returns(world: World) -> None:
    world.binance.error = DOWN
    world.refresh()
    world.clock.advance(REST_MS / 1000 + 30 * 60)
    world.binance.error = None
    assert world.refresh()[2:] == (0, ())
    assert set(world.origins()) == {"binance"}


def test_a_gap_of_the_stand_in_is_not_taken_for_a_halt_of_the_market(world: World) -> None:
    world.binance.error = DOWN
    gap = world.kraken.held["open_time"].between(NOW_MS - 200 * STEP, NOW_MS - 191 * STEP)
    world.kraken.held = world.kraken.held[~gap]
    world.refresh()
    world.binance.error = None
    world.clock.advance(REST_MS / 1000 + 1)
    assert world.refresh() == (BARS, BARS, 0, ())


def test_candles_of_a_source_no_longer_configured_are_replaced(world: World) -> None:
    world.sources.use(["kraken"])
    world.refresh()
    world.sources.use(["binance"])
    assert world.refresh() == (BARS, BARS, 0, ())
    assert set(world.origins()) == {"binance"}


@settings(max_examples=12, deadline=None)
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=6))
def test_whatever_fails_when_no_bar_is_mixed_and_all_is_the_best_sources_in_the_end(steps: list[tuple[bool, int]]) -> None:
    world = World()
    for is_down, minutes in steps:
        world.binance.error = DOWN if is_down else None
        world.refresh(300)
        world.origins()
        world.clock.advance(minutes * 60)
    world.binance.error = None
    world.clock.advance(120)
    assert world.refresh(300)[2:] == (0, ())
    origins = world.origins()
    assert set(origins[origins.index >= world.clock.now_ms() - 300 * STEP]) == {"binance"}
    world.engine.dispose()


BINANCE_US = "https://api.binance.us"


@pytest.mark.parametrize(
    ("urls", "names", "bases"),
    [
        (None, ["binance"], "https://data-api.binance.vision"),
        (f"{BINANCE_US},https://api.binance.com", ["binance"], "https://api.binance.com"),
        (BINANCE_US, ["binance_us"], None),
    ],
)
def test_binance_us_is_never_asked_as_binance(
    world: World, monkeypatch: pytest.MonkeyPatch, urls: str | None, names: list[str], bases: str | None
) -> None:
    if urls is not None:
        monkeypatch.setenv("EXCHANGE_URLS", urls)
    settings = Settings(_env_file=None)
    sources = open_sources(settings, world.clock, ["binance"])
    assert [source.name for source in sources.exchanges] == names, "alone in EXCHANGE_URLS it is asked, under its own name"
    assert BINANCE_US not in settings.exchange_bases
    assert settings.exchange_bases[:1] == (() if bases is None else (bases,))
    assert settings.binance_us_bases == (BINANCE_US,)
    sources.use(["binance", "binance_us", "kraken"])
    assert [source.name for source in sources.exchanges] == [*dict.fromkeys([*names, "binance_us"]), "kraken"]
    sources.close()


def test_every_source_opens_at_its_address_and_the_named_are_used(world: World) -> None:
    sources = open_sources(Settings(), world.clock, ["kraken", "binance"])
    assert [source.name for source in sources.exchanges] == ["kraken", "binance"]
    assert [source.name for source in sources.every] == ["binance", "binance_us", "kraken", "coingecko"]
    sources.close()
