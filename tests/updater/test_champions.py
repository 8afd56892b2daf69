"""A champion is a version that verifies: damage is found out, a pointer that says nothing is mended, and trainings stay bounded."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from model_store.manifest import Gate
from node.durations import DAY_MS, MINUTE_MS
from node.errors import NoChampionError, TrainingError
from tests.support.tiny_models import tiny_graph, tiny_metadata
from tests.updater.test_trainer import Workshop
from updater import trainer as trainer_module
from updater.challenge import Challenge, FailedTraining, TrainedChallenger
from updater.champions import VERIFY_MS
from updater.trainer import RETRY_MS


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """With topic 1, which has no model yet."""
    return Workshop(tmp_path, 1)


def publish(shop: Workshop, answer: float, *, promoted: bool = True) -> Path:
    """A version and its folder; champion if the gate let it pass."""
    task = shop.topics[0].task
    metadata = tiny_metadata(task, answer, gate=Gate(promoted=promoted, reason="for the test"))
    version = shop.models.publish(task, graph=tiny_graph(answer), weights=b"w", metadata=metadata).version
    if promoted:
        shop.models.promote(task, version, "for the test")
    return shop.models.root / "ETH" / "price-10m" / version


def pointer_of(shop: Workshop) -> Path:
    return next(shop.models.root.glob("*/*/champion.json"))


def flip_a_bit(path: Path, *, leave_a_mark: bool = False) -> None:
    content, before = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if not leave_a_mark:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def refused(challenges: list[Challenge], *_: object) -> Iterator[TrainedChallenger]:
    """Trainings whose candidates never pass."""
    for number, challenge in enumerate(challenges):
        metadata = tiny_metadata(challenge.topic.task, 0.5 + number, gate=Gate(promoted=False, reason="refused: worse"))
        yield TrainedChallenger(challenge.topic, metadata, tiny_graph(0.5 + number), b"w", skill=0.0, seconds=1.0)


def live(shop: Workshop, minutes: int) -> int:
    """How many trainings the trainer holds in so many minutes."""
    held = 0
    for _ in range(minutes):
        due = shop.trainer.due()
        held += len(due)
        if due:
            shop.trainer.train(due, threading.Event())
        shop.clock.advance(60)
    return held


@pytest.mark.parametrize("leave_a_mark", [True, False])
def test_a_topic_whose_only_version_has_a_flipped_bit_is_trained_at_once(shop: Workshop, leave_a_mark: bool) -> None:
    folder = publish(shop, 0.1)
    assert shop.due() == []
    flip_a_bit(folder / "model.onnx", leave_a_mark=leave_a_mark)
    if not leave_a_mark:
        shop.clock.advance(VERIFY_MS / 1000)
    with pytest.raises(NoChampionError):
        shop.models.champion(shop.topics[0].task)
    assert [due.reason for due in shop.trainer.due()] == ["no champion"]
    publish(shop, 0.2)
    assert shop.due() == []


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x00" * 4096, b'{"champion": "../.."}', b"x" * (2 << 20)])
def test_a_pointer_that_says_nothing_names_again_what_is_served(shop: Workshop, damage: bytes) -> None:
    older, newer = publish(shop, 0.1), publish(shop, 0.2)
    publish(shop, 0.3, promoted=False)
    task = shop.topics[0].task
    pointer_of(shop).write_bytes(damage)
    served = shop.models.champion(task).name
    with capture_logs() as logs:
        assert shop.due() == []
    assert "champion pointer was damaged and is written anew" in [entry["event"] for entry in logs]
    pointer = shop.models.pointer(task)
    assert pointer is not None
    assert (pointer.champion.version, [entry.version for entry in pointer.former]) == (newer.name, [older.name])
    assert shop.models.champion_version(task) == served == newer.name


@pytest.mark.parametrize("instead", [Path.mkdir, lambda path: path.symlink_to("/etc/hostname")])
def test_what_stands_in_the_pointers_place_is_replaced(shop: Workshop, instead: Callable[[Path], None]) -> None:
    version = publish(shop, 0.1)
    pointer = pointer_of(shop)
    pointer.unlink()
    instead(pointer)
    assert shop.due() == []
    assert shop.models.champion_version(shop.topics[0].task) == version.name


def test_a_pointer_that_cannot_be_read_just_now_is_left_alone(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(shop, 0.1)
    content = pointer_of(shop).read_bytes()

    def fail(_: Path) -> bytes:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert shop.models.repair(shop.topics[0].task) is None
    monkeypatch.undo()
    assert pointer_of(shop).read_bytes() == content


def test_a_damaged_pointer_and_candidates_that_never_pass_make_one_training_a_day_and_few_versions(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "_train_all", refused)
    publish(shop, 0.1)
    pointer_of(shop).write_bytes(b"damaged")
    assert live(shop, 3 * DAY_MS // MINUTE_MS // 10) <= 1
    monkeypatch.setattr(shop.models, "repair", lambda _: None)  # a disk that takes nothing new in the pointer's place
    for _ in range(10):
        pointer_of(shop).write_bytes(b"damaged")
        shop.clock.advance(DAY_MS / 1000)
        assert live(shop, 30) <= 1
    task = shop.topics[0].task
    assert len(shop.models.versions(task)) <= shop.config.updater.keep_versions + 2
    assert shop.models.champion(task).manifest.gate.promoted


def test_trainings_that_fail_again_and_again_become_seldom(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(challenges: list[Challenge], *_: object) -> Iterator[FailedTraining]:
        for challenge in challenges:
            yield FailedTraining(challenge.topic, TrainingError("the training process died"))

    monkeypatch.setattr(trainer_module, "_train_all", failing)
    assert live(shop, 1 + RETRY_MS // MINUTE_MS) == 2
    assert live(shop, DAY_MS // MINUTE_MS) < 12


def test_a_failure_of_a_clock_that_was_ahead_puts_nothing_off(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        trainer_module, "_train_all", lambda challenges, *_: [FailedTraining(challenges[0].topic, TrainingError("no"))]
    )
    shop.clock.set_ahead(DAY_MS / 1000)
    shop.trainer.train(shop.trainer.due(), threading.Event())
    assert shop.due() == []
    shop.clock.set_ahead(-DAY_MS / 1000)
    shop.clock.advance(RETRY_MS / 1000)
    assert shop.due() == [1]
