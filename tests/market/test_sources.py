"""Several sources: who is asked, who stands in, and that a bar is of one source whole."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from market.candle_store import CandleStore
from market.exchanges.exchange import ExchangeStatus
from market.sources import LACKING_MS, REST_MS, Sources, open_sources
from node.clock import ManualClock
from node.durations import Interval
from node.environment import Settings
from node.errors import ExchangeUnreachableError, MarketError, RateLimitedError, UnknownSymbolError
from tests.support.market_candles import MINUTE, NOW_MS, database_in_memory, make_candles

STEP = MINUTE.ms
BARS = 3000
SYMBOL = "BTCUSDT"
DOWN = ExchangeUnreachableError("no answer in time")
LACKS = UnknownSymbolError("no such pair")


class Held:
    """A source with candles of its own, which fails when told to."""

    def __init__(self, name: str, clock: ManualClock, seed: int, reach: int | None = None) -> None:
        self.name, self._clock, self._reach = name, clock, reach
        self.held = make_candles(NOW_MS - BARS * STEP, BARS + 500, seed=seed)
        self.error: MarketError | None = None
        self.dead_since: int | None = None
        self.asked = 0

    def candles(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        self.asked += 1
        if self.error is not None:
            raise self.error
        last = interval.last_closed(self._clock.now_ms())
        first = start_ms if self._reach is None else max(start_ms, last - (self._reach - 1) * interval.ms)
        if self.dead_since is not None:
            end_ms = min(end_ms, self.dead_since - interval.ms)
        return self.held[self.held["open_time"].between(first, min(end_ms, last))].reset_index(drop=True)

    def reach(self, interval: Interval) -> int | None:
        return self._reach

    def time_ms(self) -> int:
        return self._clock.now_ms()

    def status(self) -> ExchangeStatus:
        return ExchangeStatus()

    def close(self) -> None:
        pass


class World:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW_MS)
        self.engine = database_in_memory()
        self.store = CandleStore(self.engine)
        self.binance, self.kraken = Held("binance", self.clock, 1), Held("kraken", self.clock, 2, reach=700)
        self.sources = Sources([self.binance, self.kraken], self.clock)

    def refresh(self, bars: int = BARS) -> tuple[int, int, int, tuple[str, ...]]:
        done = self.sources.refresh(self.store, SYMBOL, MINUTE, bars * STEP)
        return done.have, done.want, done.gaps, done.missed

    def origins(self) -> pd.Series[str]:
        """The source of each candle, checked to hold that source's numbers whole."""
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT open_time, source FROM candles ORDER BY open_time")).all()
        origins = pd.Series([row.source for row in rows], index=[row.open_time for row in rows])
        stored = self.store.window(SYMBOL, MINUTE, 0, NOW_MS + 500 * STEP)
        for source in (self.binance, self.kraken):
            of_it = stored[origins.to_numpy() == source.name].reset_index(drop=True)
            held = source.held[source.held["open_time"].isin(of_it["open_time"])].reset_index(drop=True)
            pd.testing.assert_frame_equal(of_it, held)
        return origins


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
        assert done.complaint is not None
        assert SYMBOL in done.complaint.message
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
