"""Candles are kept fresh whatever one symbol does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import structlog

from market.candle_store import CandleStore
from market.sources import Sources
from node.clock import ManualClock
from node.config import Config
from node.database import Heartbeats, open_database
from node.durations import DAY_MS, MINUTE_MS, Interval
from node.errors import ExchangeUnreachableError, MarketError, RateLimitedError, UnknownSymbolError
from node.topics import Topic
from tests.support.updater_stand_ins import MemoryExchange, candles
from updater.candle_sync import CandleKeeper, Series, needed_history
from updater.metrics import UpdaterMetrics
from updater.progress import ProgressBoard, State

ETH, BTC = Series("ETHUSDT", Interval.MINUTE), Series("BTCUSDT", Interval.MINUTE)


class Kept:
    """A keeper over a real store and an exchange in memory."""

    def __init__(
        self, folder: Path, *topics: int, failing: dict[str, MarketError] | None = None, empty: tuple[str, ...] = ()
    ) -> None:
        content = {"worker": [{"topicId": number} for number in topics], "updater": {"historyDays": 1}}
        self.config = Config.model_validate(content)
        self.topics: tuple[Topic, ...] = self.config.topics("http://localhost")
        self.clock = ManualClock()
        self.exchange = MemoryExchange(self.clock, self.clock.now_ms() - 400 * DAY_MS, failing, empty)
        engine = open_database(f"sqlite:///{folder}/node.db")
        self.store = CandleStore(engine)
        self.heartbeats = Heartbeats(engine)
        self.current = ProgressBoard(self.heartbeats, self.clock)
        self.metrics = UpdaterMetrics()
        self.current.follow(self.topics)
        self.keeper = CandleKeeper(self.store, Sources([self.exchange], self.clock), self.clock, self.current, self.metrics)
        self.keeper.configure(self.config, self.topics)
        self.stop = threading.Event()

    def stop_after(self, seconds: float) -> None:
        """Stop the loops once the clock has moved that far."""
        end = self.clock.now_ms() + seconds * 1000

        def wait_and_look(pause: float, stop: threading.Event) -> bool:
            ManualClock.wait(self.clock, pause, stop)
            if self.clock.now_ms() >= end:
                self.stop.set()
            return stop.is_set()

        self.clock.wait = wait_and_look  # type: ignore[method-assign]

    def newest_when_stopped(self) -> int:
        """The clock has just been moved to the next round, which was not held any more."""
        return Interval.MINUTE.last_closed(self.clock.now_ms() - MINUTE_MS)

    def newest(self, series: Series) -> int | None:
        return self.store.newest(series.symbol, series.interval)


def test_history_is_as_deep_as_the_deepest_topic_and_prices_always_have_minutes() -> None:
    config = Config.model_validate({"worker": [{"topicId": 3}, {"topicId": 69}, {"topicId": 61}], "updater": {"historyDays": 2}})
    history = needed_history(config, config.topics("http://localhost"))
    assert history == {BTC: 2 * DAY_MS, Series("BTCUSDT", Interval.HOUR): 120 * DAY_MS}


def test_a_leaders_candles_reach_as_far_as_those_they_stand_beside(tmp_path: Path) -> None:
    parameters = {"Leader": "BTC"}
    content = {"worker": [{"topicId": 1, "parameters": parameters}], "updater": {"historyDays": 2}}
    config = Config.model_validate(content)
    (topic,) = config.topics("http://localhost")
    assert needed_history(config, (topic,)) == {ETH: 2 * DAY_MS, BTC: 2 * DAY_MS}
    plain = config.model_copy(update={"worker": Config.model_validate({"worker": [{"topicId": 1}]}).worker})
    assert needed_history(plain, plain.topics("http://localhost"), [BTC]) == {ETH: 2 * DAY_MS, BTC: 2 * DAY_MS}
    kept = Kept(tmp_path, 1, failing={"BTCUSDT": ExchangeUnreachableError("gone")})
    kept.keeper.configure(config, (topic,))
    kept.stop_after(30)
    kept.keeper.backfill(kept.stop)
    assert kept.newest(ETH) is not None
    assert not kept.keeper.is_filled(topic)


def test_each_minute_the_newest_closed_candle_is_there_a_second_after_it_closed(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1)
    kept.stop_after(10 * 60)
    kept.keeper.follow(kept.stop)
    assert kept.newest(ETH) == kept.newest_when_stopped()
    assert len(kept.exchange.asked) <= 14


def test_a_clock_that_was_set_back_does_not_keep_the_newest_candles_from_being_fetched(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1)
    kept.store.upsert("ETHUSDT", Interval.MINUTE, candles(Interval.MINUTE, Interval.MINUTE.floor(kept.clock.now_ms()) + DAY_MS, 5))
    kept.stop_after(3 * 60)
    kept.keeper.follow(kept.stop)
    last = kept.newest_when_stopped()
    assert kept.store.newest("ETHUSDT", Interval.MINUTE, last) == last


def test_a_pair_that_is_delisted_is_said_plainly_and_the_others_stay_fresh(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1, 3)
    kept.stop_after(60)
    kept.keeper.follow(kept.stop)
    last = kept.newest(BTC)
    kept.exchange.failing["BTCUSDT"] = UnknownSymbolError("binance has no pair BTCUSDT")
    kept.stop.clear()
    kept.stop_after(5 * 60)
    kept.keeper.follow(kept.stop)
    assert kept.newest(ETH) == kept.newest_when_stopped()
    assert kept.newest(BTC) == last
    progress = kept.current.of(kept.topics[1].task)
    assert (progress.state, progress.detail) == (State.NO_DATA, "binance has no pair BTCUSDT")
    assert kept.metrics.registry.get_sample_value("allora_updater_market_errors_total", {"code": "unknown_symbol"}) == 5


def test_one_symbol_that_fails_does_not_make_another_one_old(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1, 3, failing={"BTCUSDT": ExchangeUnreachableError("no answer in time")})
    kept.stop_after(5 * 60)
    kept.keeper.follow(kept.stop)
    assert kept.newest(BTC) is None
    assert kept.newest(ETH) == kept.newest_when_stopped()


def test_an_exchange_that_returns_is_noticed_before_the_next_candle(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1, failing={"ETHUSDT": ExchangeUnreachableError("no answer in time")})
    kept.stop_after(7)
    kept.keeper.follow(kept.stop)
    kept.stop.clear()
    kept.exchange.failing.clear()
    kept.stop_after(1)
    kept.keeper.follow(kept.stop)
    assert kept.newest(ETH) is not None


def test_a_rate_limit_silences_every_request_until_it_is_over(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1, 3, failing={"BTCUSDT": RateLimitedError("slow down", retry_after=300)})
    kept.stop_after(290)
    kept.keeper.follow(kept.stop)
    assert kept.exchange.asked == [("ETHUSDT", Interval.MINUTE), ("BTCUSDT", Interval.MINUTE)]


@pytest.mark.parametrize("empty", [True, False])
def test_a_token_without_candles_is_said_plainly_and_the_others_are_filled(tmp_path: Path, empty: bool) -> None:
    unknown = {} if empty else {"BTCUSDT": UnknownSymbolError("the exchange has no such pair")}
    kept = Kept(tmp_path, 1, 3, failing=unknown, empty=("BTCUSDT",) if empty else ())
    kept.stop_after(2)
    kept.keeper.backfill(kept.stop)
    eth, btc = kept.topics
    assert kept.keeper.is_filled(eth)
    assert not kept.keeper.is_filled(btc)
    assert kept.current.of(btc.task).state is State.NO_DATA
    assert kept.store.count("ETHUSDT", Interval.MINUTE, 0, kept.clock.now_ms()) == 1440


def test_while_another_source_stands_in_history_is_not_called_filled(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1, failing={"ETHUSDT": ExchangeUnreachableError("no answer in time")})
    other = MemoryExchange(kept.clock, kept.clock.now_ms() - 400 * DAY_MS, name="kraken", reach=700)
    keeper = CandleKeeper(kept.store, Sources([kept.exchange, other], kept.clock), kept.clock, kept.current, kept.metrics)
    both = {"historyDays": 1, "sources": ["binance", "kraken"]}
    keeper.configure(Config.model_validate({"worker": [{"topicId": 1}], "updater": both}), kept.topics)
    kept.stop_after(2)
    keeper.backfill(kept.stop)
    (topic,) = kept.topics
    assert kept.store.sources("ETHUSDT", Interval.MINUTE, 0, kept.clock.now_ms()) == {"kraken": 700}
    assert not keeper.is_filled(topic)
    assert "binance" in kept.current.of(topic.task).detail

    kept.exchange.failing.clear()
    kept.clock.advance(120)
    kept.stop.clear()
    kept.stop_after(2)
    keeper.backfill(kept.stop)
    assert keeper.is_filled(topic)
    assert kept.store.sources("ETHUSDT", Interval.MINUTE, kept.clock.now_ms() - DAY_MS, kept.clock.now_ms()).keys() == {"binance"}
    assert kept.current.of(topic.task).detail == ""


def test_another_choice_of_sources_takes_effect_without_a_restart(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1)
    other = MemoryExchange(kept.clock, kept.clock.now_ms() - 400 * DAY_MS, name="kraken", reach=700)
    sources = Sources([kept.exchange, other], kept.clock)
    keeper = CandleKeeper(kept.store, sources, kept.clock, kept.current, kept.metrics)
    for names in (["kraken"], ["binance", "kraken"]):
        content = {"worker": [{"topicId": 1}], "updater": {"historyDays": 1, "sources": names}}
        keeper.configure(Config.model_validate(content), kept.topics)
        assert [exchange.name for exchange in sources.exchanges] == names


def test_history_interrupted_anywhere_goes_on_where_it_was(tmp_path: Path) -> None:
    first = Kept(tmp_path, 1)
    first.keeper.configure(Config.model_validate({"worker": [{"topicId": 1}], "updater": {"historyDays": 3}}), first.topics)
    fetch, calls = first.exchange.candles, 0

    def killed_at_the_third_page(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return fetch(*arguments)  # type: ignore[arg-type]

    first.exchange.candles = killed_at_the_third_page  # type: ignore[assignment,method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.keeper.backfill(first.stop)
    stored = first.store.count("ETHUSDT", Interval.MINUTE, 0, first.clock.now_ms())
    assert 0 < stored < 3 * 1440

    again = Kept(tmp_path, 1)
    again.keeper.configure(Config.model_validate({"worker": [{"topicId": 1}], "updater": {"historyDays": 3}}), again.topics)
    again.stop_after(2)
    again.keeper.backfill(again.stop)
    assert again.store.count("ETHUSDT", Interval.MINUTE, 0, again.clock.now_ms()) == 3 * 1440
    assert again.store.gaps("ETHUSDT", Interval.MINUTE, again.clock.now_ms() - DAY_MS, again.clock.now_ms() - 2 * MINUTE_MS) == []


def test_the_heartbeat_tells_how_many_candles_of_how_many_each_topic_has(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1)
    kept.stop_after(2)
    kept.keeper.backfill(kept.stop)
    kept.current.beat("running")
    beat = kept.heartbeats.last("updater")
    assert beat is not None
    assert beat.body["topics"]["1"] == {
        "have": 1440,
        "want": 1440,
        "trained": False,
        "state": "waiting to be trained",
        "detail": "",
    }


def test_the_hour_between_two_walks_through_the_history_passes_while_the_machine_sleeps(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1)
    naps = iter([False, True])

    def sleep_for_two_hours(_: float, stop: threading.Event) -> bool:
        kept.clock.advance(7200)
        if next(naps):
            stop.set()
        return stop.is_set()

    kept.clock.wait = sleep_for_two_hours  # type: ignore[method-assign]
    kept.keeper.backfill(kept.stop)
    assert kept.newest(ETH) == Interval.MINUTE.last_closed(kept.clock.now_ms() - 7200_000)


def test_a_topic_that_is_added_is_filled_at_once(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1)
    thread = threading.Thread(target=kept.keeper.backfill, args=(kept.stop,))
    kept.clock.wait = lambda seconds, stop: stop.wait(0.01)  # type: ignore[method-assign]
    thread.start()
    try:
        wider = Config.model_validate({"worker": [{"topicId": 1}, {"topicId": 3}], "updater": {"historyDays": 1}})
        topics = wider.topics("http://localhost")
        kept.keeper.configure(wider, topics)
        deadline = threading.Event()
        for _ in range(500):
            if kept.keeper.is_filled(topics[1]):
                break
            deadline.wait(0.02)
        assert kept.keeper.is_filled(topics[1])
    finally:
        kept.stop.set()
        thread.join(5)


def test_trouble_with_the_whole_exchange_is_said_once_and_so_is_its_end(tmp_path: Path) -> None:
    down = ExchangeUnreachableError("no answer in time")
    kept = Kept(tmp_path, 1, 3, 69, failing={"ETHUSDT": down, "BTCUSDT": down})
    with structlog.testing.capture_logs() as logged:
        kept.stop_after(5 * 60)
        kept.keeper.follow(kept.stop)
        kept.stop.clear()
        kept.exchange.failing.clear()
        kept.stop_after(2 * 60)
        kept.keeper.follow(kept.stop)
    said = [entry["event"] for entry in logged if entry["event"].startswith("the exchange")]
    assert said == ["the exchange cannot be had", "the exchange answers again"]
