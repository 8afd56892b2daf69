"""Candidates are trained, judged and published; one topic's failure never stops another's."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from forecasting.live.ledger import Ledger
from market.candle_store import CandleStore
from model_store.manifest import VersionMetadata
from model_store.store import ModelStore
from node.clock import ManualClock
from node.config import Config
from node.config import Updater as UpdaterSection
from node.database import Heartbeats, open_database
from node.durations import DAY_MS
from node.environment import Settings
from node.topics import Topic
from tests.support.tiny_models import tiny_graph, tiny_metadata
from tests.support.updater_stand_ins import candles
from updater import trainer as trainer_module
from updater.challenge import Challenge, FailedTraining, TrainedChallenger
from updater.challenger import train_challenger
from updater.disk_space import TRAINING_NEEDS_BYTES
from updater.live_skill import Reviewer, SkillAlert
from updater.metrics import UpdaterMetrics
from updater.progress import ProgressBoard, State
from updater.trainer import RETRY_MS, REVIEW_MS, Trainer

BARS = 2200


class Workshop:
    """A trainer over real stores, with candles of the given tokens."""

    def __init__(self, folder: Path, *topics: int, with_candles: tuple[str, ...] = ("ETHUSDT",)) -> None:
        self.config = Config.model_validate(
            {"worker": [{"topicId": n} for n in topics], "updater": {"maxEpochs": 1, "historyDays": 2}}
        )
        self.topics: tuple[Topic, ...] = self.config.topics("http://localhost")
        self.clock = ManualClock()
        self.settings = Settings(database_url=f"sqlite:///{folder}/node.db", model_store=folder / "models", log_format="console")
        engine = open_database(self.settings.database_url)
        store = CandleStore(engine)
        for symbol in with_candles:
            for topic in self.topics:
                interval = topic.task.interval
                start = interval.last_closed(self.clock.now_ms()) - (BARS - 1) * interval.ms
                store.upsert(symbol, interval, candles(interval, start, BARS, seed=len(symbol)))
        self.models = ModelStore(self.settings.model_store, self.clock)
        self.current = ProgressBoard(Heartbeats(engine), self.clock)
        self.current.follow(self.topics)
        self.metrics = UpdaterMetrics()
        self.filled = True
        self.alert: SkillAlert | None = None
        self.reviewer = Reviewer(Ledger(engine), store, self.models)
        self.trainer = self.restarted()

    def review(self, topic: Topic, section: UpdaterSection, now_ms: int) -> SkillAlert | None:
        """By the ledger of this workshop, or what a test has put in its place."""
        return self.alert or self.reviewer.review(topic, section, now_ms)

    def restarted(self) -> Trainer:
        """A new trainer over the same disk."""
        trainer = Trainer(self.settings, self.models, self.clock, self.current, self.metrics, lambda _: self.filled, self.review)
        trainer.configure(self.config.updater, self.topics)
        return trainer

    def due(self) -> list[int]:
        return [item.topic.id for item in self.trainer.due()]

    def actions(self, topic: int) -> dict[str, float]:
        return {
            sample.labels["remedy"]: sample.value
            for metric in self.metrics.actions.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["topic"] == str(topic)
        }

    def outcomes(self, topic: int) -> dict[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for metric in self.metrics.trainings.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["topic"] == str(topic)
        }


def test_a_topic_is_trained_once_its_history_is_filled_and_again_when_its_newest_version_is_old(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, 1)
    shop.filled = False
    assert shop.due() == []
    shop.filled = True
    assert shop.due() == [1]

    shop.trainer.train(shop.trainer.due(), threading.Event())
    task = shop.topics[0].task
    first = shop.models.champion(task)
    assert first.manifest.gate.reason.startswith("promoted: ")
    assert first.manifest.test_start_ms is not None
    assert first.manifest.intervals is not None
    assert {"50", "80", "90"} <= first.manifest.intervals.keys()
    assert shop.current.of(task).state is State.READY
    assert shop.due() == []

    shop.clock.advance(DAY_MS / 1000)
    shop.trainer = shop.restarted()
    assert shop.due() == [1]
    shop.trainer.train(shop.trainer.due(), threading.Event())
    assert len(shop.models.history(task)) == 2
    assert shop.due() == []


def test_one_topic_without_candles_fails_alone_and_rests_before_the_next_try(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, 3, 1)
    shop.trainer.train(shop.trainer.due(), threading.Event())
    btc, eth = shop.topics
    assert shop.models.champion_version(eth.task) is not None
    assert shop.models.champion_version(btc.task) is None
    assert shop.current.of(btc.task).state is State.FAILED
    assert "candles" in shop.current.of(btc.task).detail
    assert (shop.outcomes(3), shop.outcomes(1)) == ({"failed": 1.0}, {"promoted": 1.0})
    assert shop.due() == []
    shop.clock.advance(RETRY_MS / 1000)
    assert shop.due() == [3]


def deadly(challenge: Challenge) -> TrainedChallenger | FailedTraining:
    """Stands in for a training that is killed for its memory."""
    if challenge.topic.id == 3:
        import os  # noqa: PLC0415
        import signal  # noqa: PLC0415

        os.kill(os.getpid(), signal.SIGKILL)
    return train_challenger(challenge)


def test_a_training_process_that_is_killed_takes_no_other_topic_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "train_in_process", deadly)
    shop = Workshop(tmp_path, 3, 1, with_candles=("ETHUSDT", "BTCUSDT"))
    shop.trainer.train(shop.trainer.due(), threading.Event())
    assert shop.outcomes(3) == {"failed": 1.0}
    assert shop.outcomes(1) == {"promoted": 1.0}


def test_stopping_kills_trainings_and_publishes_nothing(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, 1)
    stop = threading.Event()
    stop.set()
    shop.trainer.train(shop.trainer.due(), stop)
    assert shop.models.history(shop.topics[0].task) == []


def test_a_candidate_without_skill_answers_exactly_the_baseline(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, 1)
    shop.trainer.train(shop.trainer.due(), threading.Event())
    champion = shop.models.champion(shop.topics[0].task)
    manifest = champion.manifest
    if manifest.shrinkage == 0:
        assert manifest.scores["skill"] == 0
        assert all(sample.forecast == sample.baseline for sample in manifest.samples)
    else:
        assert isinstance(manifest.scores["skill"], float)
        assert manifest.scores["skill"] > 0


def test_a_topic_whose_answers_were_bad_is_trained_before_its_time_and_the_manifest_says_why(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, 1)
    shop.trainer.train(shop.trainer.due(), threading.Event())
    shop.alert = SkillAlert(shop.topics[0], "live skill -0.1 is below 0")
    shop.clock.advance(shop.config.updater.skill_window.seconds - 1)
    shop.trainer.review_safely()
    assert shop.due() == []

    shop.clock.advance(REVIEW_MS / 1_000)
    shop.trainer.review_safely()
    [due] = shop.trainer.due()
    assert due.reason == "live skill -0.1 is below 0"
    shop.trainer.train([due], threading.Event())
    newest = shop.models.history(shop.topics[0].task)[0]
    assert newest.gate.reason.endswith("; trained because live skill -0.1 is below 0")
    assert shop.actions(1) == {"retrained": 1}
    shop.clock.advance(REVIEW_MS / 1_000)
    shop.trainer.review_safely()
    assert shop.due() == []


def test_a_former_champion_that_was_better_is_put_back_and_it_is_said_everywhere(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, 1)
    task = shop.topics[0].task
    shop.trainer.train(shop.trainer.due(), threading.Event())
    first = shop.models.champion_version(task)
    assert first is not None
    manifest = shop.models.champion(task).manifest
    shop.clock.advance(60)
    version = shop.models.champion(task)
    metadata = VersionMetadata(**{name: getattr(manifest, name) for name in VersionMetadata.model_fields})
    second = shop.models.publish(task, graph=version.graph, weights=version.weights_path.read_bytes(), metadata=metadata).version
    shop.models.promote(task, second, "promoted: newer")

    reason = f"rolled back from {second}: live skill -0.1 is below 0"
    shop.alert = SkillAlert(shop.topics[0], reason, back_to=first)
    with capture_logs() as logs:
        shop.trainer.review_safely()
    pointer = shop.models.pointer(task)
    assert pointer is not None
    assert (pointer.champion.version, pointer.reason) == (first, reason)
    assert shop.current.of(task).detail == reason
    assert ("rolled back", reason) in [(entry["event"], entry["reason"]) for entry in logs]
    assert shop.actions(1) == {"rolled back": 1}
    assert shop.due() == []


def test_a_ledger_that_cannot_be_read_stops_no_training(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, 1)

    def broken(topic: Topic, section: UpdaterSection, now_ms: int) -> SkillAlert | None:
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    trainer = Trainer(shop.settings, shop.models, shop.clock, shop.current, shop.metrics, lambda _: True, broken)
    trainer.configure(shop.config.updater, shop.topics)
    with capture_logs() as logs:
        trainer.review_safely()
        trainer.review_safely()
    assert [entry["event"] for entry in logs] == ["live skill cannot be reviewed"]
    assert [item.reason for item in trainer.due()] == ["no champion"]


def test_a_version_that_cannot_be_written_fails_its_training_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Workshop(tmp_path, 1, 3)
    eth, btc = (topic.task for topic in shop.topics)
    (shop.models.root / "ETH").parent.mkdir(parents=True)
    (shop.models.root / "ETH").write_text("where a folder should be made")

    def trained(challenges: list[Challenge], *_: object) -> Iterator[TrainedChallenger]:
        for topic in (challenge.topic for challenge in challenges):
            metadata = tiny_metadata(topic.task, 0.1)
            yield TrainedChallenger(topic, metadata, tiny_graph(0.1), b"weights", skill=0.0, seconds=1.0)

    monkeypatch.setattr(trainer_module, "_train_all", trained)
    with capture_logs() as logs:
        shop.trainer.train(shop.trainer.due(), threading.Event())
    assert [entry["topic"] for entry in logs if entry["event"] == "training failed"] == [1]
    assert shop.current.of(eth).state is State.FAILED
    assert shop.models.champion_version(btc) is not None
    assert shop.due() == []
    shop.clock.advance(RETRY_MS / 1000)
    assert shop.due() == [1]


def test_on_a_disk_that_is_nearly_full_trainings_wait_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, stop = Workshop(tmp_path, 1), threading.Event()
    free = iter([TRAINING_NEEDS_BYTES - 1, TRAINING_NEEDS_BYTES])
    looks: list[tuple[list[int], str]] = []

    def usage(folder: Path) -> object:
        looks.append((shop.due(), shop.current.of(shop.topics[0].task).detail))
        if folder == shop.settings.model_store:
            raise FileNotFoundError(folder)  # before the first version is published
        return SimpleNamespace(free=next(free))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    monkeypatch.setattr(shop.trainer, "train", lambda *_: stop.set())
    with capture_logs() as logs:
        shop.trainer.run(stop)
    assert [due for due, _ in looks] == [[1]] * 4
    assert "255 MB are free on the disk under the data folder; trainings wait for 256 MB" in looks[-1][1]
    assert [entry["event"] for entry in logs] == ["trainings wait for room on the disk"]


def test_a_version_from_far_ahead_puts_no_training_off_for_good(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, 1)
    task = shop.topics[0].task
    shop.clock.advance(400 * DAY_MS / 1000)
    version = shop.models.publish(task, graph=tiny_graph(0.1), weights=b"w", metadata=tiny_metadata(task, 0.1)).version
    shop.models.promote(task, version, "for the test")
    shop.clock.advance(-400 * DAY_MS / 1000)
    assert shop.due() == [1]
    shop.clock.advance(400 * DAY_MS / 1000 - 300)
    assert shop.due() == []
