"""Bad answers are noticed by evidence alone, and a former champion returns only if it would have done better beyond noise."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from forecasting.dataset.signature import Signature
from forecasting.evaluation.walk_forward import walk_forward
from forecasting.live.ledger import Ledger, ServedAnswer
from market.candle_store import CandleStore
from model_store.store import ModelStore
from node.clock import ManualClock
from node.config import Updater as UpdaterSection
from node.database import open_database
from node.durations import HOUR_MS, MINUTE_MS, Duration
from node.topics import Target, Task, Topic
from tests.support.tiny_models import tiny_graph, tiny_metadata, tiny_signature
from tests.support.updater_stand_ins import candles
from updater.live_skill import Reviewer, SkillAlert

TASK = Task("BTC", Target.LOG_RETURN, Duration.parse("5m"))
TOPIC = Topic(900, TASK, "birnn", "mse", None, "")
SECTION = UpdaterSection(skill_window=Duration(2 * HOUR_MS))
PROMOTED_MS = 1_750_032_000_000
WRONG, SLIGHTLY_WRONG, RIGHT = 2.0, 0.02, 0.0
"""What a model adds to the last price, in ordinary moves: these candles are a random walk."""


class Served:
    """A topic whose champion has served for some hours, bar by bar."""

    def __init__(self, folder: Path) -> None:
        engine = open_database(f"sqlite:///{folder}/node.db")
        self.candles = CandleStore(engine)
        self.ledger = Ledger(engine)
        self.clock = ManualClock(PROMOTED_MS)
        self.models = ModelStore(folder / "models", self.clock)
        self.reviewer = Reviewer(self.ledger, self.candles, self.models)
        self.market = candles(TASK.interval, PROMOTED_MS - HOUR_MS, 12 * 60, seed=3)
        self.candles.upsert(TASK.symbol, TASK.interval, self.market)

    def promote(self, answer: float, *, learned_until_ms: int = PROMOTED_MS - HOUR_MS) -> str:
        signature = tiny_signature(TASK, features=("day_sine", "day_cosine")) | {"scale_span": 20}
        metadata = tiny_metadata(TASK, answer, signature=signature, data_end_ms=learned_until_ms)
        version = self.models.publish(TASK, graph=tiny_graph(answer), weights=b"w", metadata=metadata).version
        self.models.promote(TASK, version, "promoted: it is a test")
        return version

    def serve(self, hours: float, every: int = 1) -> None:
        """Let the champion answer at every bar, or at every few, and the time pass after which the truths are known."""
        start_ms = self.clock.now_ms()
        end_ms = start_ms + round(hours * HOUR_MS)
        champion = self.models.champion(TASK)
        walk = walk_forward(champion.session, Signature.from_dict(champion.manifest.signature), self.market, start_ms, end_ms - 1)
        self.ledger.record(
            [
                ServedAnswer(TOPIC.id, TASK, int(time), champion.name, float(said), 100.0, float(said), 0.0, float(scale))
                for time, said, scale in list(zip(walk.times, walk.forecast, walk.scale, strict=True))[::every]
            ]
        )
        self.clock.advance((end_ms + TASK.horizon.ms + MINUTE_MS - start_ms) / 1_000)

    def review(self, section: UpdaterSection = SECTION) -> SkillAlert | None:
        return self.reviewer.review(TOPIC, section, self.clock.now_ms())


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def test_a_topic_without_champion_or_answers_is_left_alone(served: Served) -> None:
    assert served.review() is None
    served.promote(WRONG)
    served.clock.advance(5 * 3_600)
    assert served.review() is None


def test_answers_worse_than_the_baseline_beyond_noise_call_for_a_training(served: Served) -> None:
    served.promote(WRONG)
    served.serve(3)
    alert = served.review()
    assert alert is not None
    assert alert.back_to is None
    assert alert.reason.startswith("live skill -")
    assert "over 2h is below 0 on 120 answers (DM -" in alert.reason


def test_answers_worse_only_within_noise_change_nothing(served: Served) -> None:
    served.promote(SLIGHTLY_WRONG)
    served.serve(3)
    assert served.review() is None


def test_a_champion_that_is_the_baseline_is_never_blamed(served: Served) -> None:
    served.promote(RIGHT)
    served.serve(3)
    assert served.review() is None


def test_nothing_is_decided_before_the_window_is_full(served: Served) -> None:
    served.promote(WRONG)
    served.serve(1.5)
    assert served.review() is None


def test_nothing_is_decided_where_most_bars_were_not_answered(served: Served) -> None:
    served.promote(WRONG)
    served.serve(3, every=2)
    assert served.review() is None


def test_a_long_horizon_needs_a_longer_window(served: Served) -> None:
    served.promote(WRONG)
    served.serve(0.5)
    assert served.review(UpdaterSection(skill_window=Duration(MINUTE_MS))) is None
    served.serve(1)
    assert served.review(UpdaterSection(skill_window=Duration(MINUTE_MS))) is not None


def test_a_new_champion_is_not_blamed_for_the_one_before(served: Served) -> None:
    served.promote(WRONG)
    served.serve(3)
    served.promote(WRONG)
    assert served.review() is None


def test_a_former_champion_that_would_have_done_better_is_named(served: Served) -> None:
    former = served.promote(RIGHT)
    served.clock.advance(60)
    champion = served.promote(WRONG)
    served.serve(3)
    alert = served.review()
    assert alert is not None
    assert alert.back_to == former
    assert alert.reason.startswith(f"rolled back from {champion}: live skill -")
    assert f"{former} would have lost less on 120 of the same bars (DM +" in alert.reason


def test_the_best_of_the_former_champions_is_named(served: Served) -> None:
    best = served.promote(RIGHT)
    for answer in (WRONG / 2, WRONG):
        served.clock.advance(60)
        served.promote(answer)
    served.serve(3)
    alert = served.review()
    assert alert is not None
    assert alert.back_to == best


def test_a_former_champion_that_is_no_better_stays_away(served: Served) -> None:
    served.promote(WRONG)
    served.clock.advance(60)
    served.promote(WRONG)
    served.serve(3)
    alert = served.review()
    assert alert is not None
    assert alert.back_to is None


def test_a_former_champion_that_has_learned_from_these_bars_is_no_witness(served: Served) -> None:
    served.promote(RIGHT, learned_until_ms=PROMOTED_MS + 2 * HOUR_MS)
    served.clock.advance(60)
    served.promote(WRONG)
    served.serve(3)
    alert = served.review()
    assert alert is not None
    assert alert.back_to is None


def test_a_damaged_former_champion_is_passed_over(served: Served) -> None:
    former = served.promote(RIGHT)
    served.clock.advance(60)
    served.promote(WRONG)
    served.serve(3)
    next(served.models.root.rglob(f"{former}/model.onnx")).write_bytes(b"damaged")
    alert = served.review()
    assert alert is not None
    assert alert.back_to is None


def test_the_floor_is_the_operators_to_choose(served: Served) -> None:
    served.promote(WRONG)
    served.serve(3)
    assert served.review(SECTION.model_copy(update={"skill_floor": None})) is None
    assert served.review(SECTION.model_copy(update={"skill_floor": -50.0})) is None


def test_what_the_baseline_itself_would_be_blamed_for_is_the_floor_above_it(served: Served) -> None:
    served.promote(RIGHT)
    served.serve(3)
    assert served.review(SECTION.model_copy(update={"skill_floor": 0.5})) is not None


def test_after_a_rollback_nothing_happens_until_there_is_new_evidence(served: Served) -> None:
    first = served.promote(WRONG)
    for answer in (RIGHT, WRONG):
        served.clock.advance(60)
        served.promote(answer)
    served.serve(3)
    alert = served.review()
    assert alert is not None
    assert alert.back_to is not None
    served.models.rollback(TASK, to=alert.back_to, reason=alert.reason)
    assert served.models.champion_version(TASK) == alert.back_to
    assert served.review() is None
    served.serve(3)
    assert served.review() is None
    pointer = served.models.pointer(TASK)
    assert pointer is not None
    assert [entry.version for entry in pointer.former] == [first]


def test_unknown_truths_are_waited_for(served: Served) -> None:
    served.promote(WRONG)
    gap = served.market.iloc[100:160]
    while served.candles.prune(TASK.symbol, TASK.interval, 2**60):
        pass
    served.candles.upsert(TASK.symbol, TASK.interval, served.market.drop(gap.index).reset_index(drop=True))
    served.serve(3)
    assert served.review() is None
    served.candles.upsert(TASK.symbol, TASK.interval, pd.DataFrame(gap))
    assert served.review() is not None
