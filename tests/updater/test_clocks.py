"""A clock that is a day or more ahead for one look, and right again: nothing is put off, and nothing is doubled."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.durations import DAY_MS
from node.errors import ExchangeUnreachableError, TrainingError
from tests.updater.test_candle_sync import ETH, Kept
from tests.updater.test_live_skill import SECTION, TOPIC, WRONG, Served
from tests.updater.test_trainer import Workshop
from updater import trainer as trainer_module
from updater.candle_sync import BACKFILL_EVERY_MS, REMIND_MS
from updater.challenge import Challenge, FailedTraining
from updater.trainer import RETRY_MS, REVIEW_MS

AHEAD = [86_400, 731 * 86_400, -86_400]


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_training_that_failed_while_the_clock_was_wrong_rests_for_its_minutes_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    def fail(challenge: Challenge) -> FailedTraining:
        return FailedTraining(challenge.topic, TrainingError("it was meant to"))

    monkeypatch.setattr(trainer_module, "_train_all", lambda challenges, *_: map(fail, challenges))
    shop = Workshop(tmp_path, 1)
    shop.clock.set_ahead(ahead)
    shop.trainer.train(shop.trainer.due(), threading.Event())
    shop.clock.set_ahead(-ahead)
    assert shop.due() == []
    shop.clock.advance(RETRY_MS / 1_000 - 1)
    assert shop.due() == []
    shop.clock.advance(1)
    assert shop.due() == [1]


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_review_that_fell_into_a_wrong_minute_is_followed_by_the_next(tmp_path: Path, ahead: int) -> None:
    shop = Workshop(tmp_path, 1)
    looked: list[int] = []
    shop.reviewer.review = lambda *_: looked.append(1)  # type: ignore[method-assign,assignment,func-returns-value]
    shop.clock.set_ahead(ahead)
    shop.trainer.review_safely()
    shop.clock.set_ahead(-ahead)
    shop.trainer.review_safely()
    assert len(looked) == 1
    shop.clock.advance(REVIEW_MS / 1_000)
    shop.trainer.review_safely()
    assert len(looked) == 2


def test_a_champion_promoted_while_the_clock_was_ahead_is_judged_at_once(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.clock.set_ahead(86_400)
    served.promote(WRONG)
    served.clock.set_ahead(-86_400)
    served.serve(3)
    alert = served.reviewer.review(TOPIC, SECTION, served.clock.now_ms())
    assert alert is not None


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_complaint_made_while_the_clock_was_wrong_keeps_no_other_quiet_for_longer(tmp_path: Path, ahead: int) -> None:
    kept = Kept(tmp_path, 1, failing={"ETHUSDT": ExchangeUnreachableError("no answer in time")})
    with capture_logs() as logs:
        kept.clock.set_ahead(ahead)
        kept.keeper._refresh_newest(kept.stop)
        kept.clock.set_ahead(-ahead)
        for _ in range(3):
            kept.keeper._refresh_newest(kept.stop)
            kept.clock.advance(REMIND_MS / 1_000 / 2)
        kept.keeper._refresh_newest(kept.stop)
    assert [entry["event"] for entry in logs].count("the exchange cannot be had") == 2


@pytest.mark.parametrize("ahead", AHEAD)
def test_the_hour_between_two_walks_through_the_history_is_an_hour_whatever_the_clock_says(tmp_path: Path, ahead: int) -> None:
    kept = Kept(tmp_path, 1)
    walks: list[int] = []
    fill = kept.keeper._fill

    def note(*arguments: object) -> bool:
        walks.append(kept.clock.monotonic_ms())
        # The clock is right again as soon as the walk is over.
        kept.clock.set_ahead(-ahead if len(walks) == 1 else 0)
        return fill(*arguments)  # type: ignore[arg-type]

    kept.keeper._fill = note  # type: ignore[method-assign,assignment]
    kept.clock.set_ahead(ahead)
    wait = kept.clock.wait

    def wait_and_stop(seconds: float, stop: threading.Event) -> bool:
        wait(seconds, stop)
        if kept.clock.monotonic_ms() > 1.5 * BACKFILL_EVERY_MS:
            stop.set()
        return stop.is_set()

    kept.clock.wait = wait_and_stop  # type: ignore[method-assign]
    kept.keeper.backfill(kept.stop)
    assert len(walks) == 2
    assert abs(walks[1] - walks[0] - BACKFILL_EVERY_MS) <= 1_000


def test_a_pair_of_which_no_source_has_new_candles_is_complained_of_and_says_so(tmp_path: Path) -> None:
    """Answers of 200 with old candles, or with none, are no success."""
    kept = Kept(tmp_path, 1)
    kept.keeper._refresh_newest(kept.stop)
    alive = kept.exchange.candles
    last = kept.newest(ETH)
    assert last is not None
    kept.exchange.candles = lambda symbol, interval, start, end: alive(symbol, interval, start, min(end, last))  # type: ignore[method-assign]
    (topic,) = kept.topics
    with capture_logs() as logs:
        kept.clock.advance(30)
        kept.keeper._refresh_newest(kept.stop)
        assert logs == [], "a candle may be late"
        kept.clock.advance(90)
        kept.keeper._refresh_newest(kept.stop)
        kept.keeper._refresh_newest(kept.stop)
    assert [entry["event"] for entry in logs] == ["candles could not be had"]
    assert "since" in logs[0]["error"].message
    assert "no source has had a new 1m candle of ETHUSDT" in kept.current.of(topic.task).detail
    assert kept.metrics.registry.get_sample_value("allora_updater_market_errors_total", {"code": "market_error"}) == 2
    kept.exchange.candles = alive  # type: ignore[method-assign]
    kept.keeper._refresh_newest(kept.stop)
    assert kept.current.of(topic.task).detail == ""


def test_a_dead_pair_is_served_by_the_next_source_and_its_topic_trained_from_both(tmp_path: Path) -> None:
    from market.sources import Sources  # noqa: PLC0415
    from node.config import Config  # noqa: PLC0415
    from tests.support.updater_stand_ins import MemoryExchange  # noqa: PLC0415
    from updater.candle_sync import CandleKeeper  # noqa: PLC0415

    kept = Kept(tmp_path, 1)
    kept.keeper._fill(ETH, DAY_MS, kept.stop)
    alive, last = kept.exchange.candles, kept.newest(ETH) or 0
    kept.exchange.candles = lambda symbol, interval, start, end: alive(symbol, interval, start, min(end, last))  # type: ignore[method-assign]
    kept.clock.advance(2 * 3600)
    other = MemoryExchange(kept.clock, kept.clock.now_ms() - 400 * DAY_MS, name="kraken", reach=700)
    keeper = CandleKeeper(kept.store, Sources([kept.exchange, other], kept.clock), kept.clock, kept.current, kept.metrics)
    both = {"historyDays": 1, "sources": ["binance", "kraken"]}
    keeper.configure(Config.model_validate({"worker": [{"topicId": 1}], "updater": both}), kept.topics)
    kept.stop_after(2)
    keeper.backfill(kept.stop)
    assert keeper.is_filled(kept.topics[0])
    now_ms = kept.clock.now_ms()
    assert kept.store.sources("ETHUSDT", ETH.interval, last + 1, now_ms) == {"kraken": 120}
    assert kept.store.sources("ETHUSDT", ETH.interval, 0, last) == {"binance": 1440}
