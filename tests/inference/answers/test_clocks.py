"""A clock that is a day or more ahead for one poll, and right again: inference puts nothing off."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from inference.answers.ledger_writer import RESCORE_MS
from inference.answers.watcher import HUNG_AFTER_MS, REMIND_MS
from tests.inference.conftest import BTC_10M, Node

AHEAD = [86_400, 731 * 86_400, -86_400]


@pytest.mark.parametrize("ahead", AHEAD)
def test_what_was_scored_while_the_clock_was_wrong_is_scored_again_in_its_turn(node: Node, ahead: int) -> None:
    node.fill(BTC_10M)
    node.clock.set_ahead(ahead)
    for _ in node.current.snapshot.states:
        node.ledger_writer.update_safely()
    node.clock.set_ahead(-ahead)
    node.clock.advance(RESCORE_MS / 1_000)
    for _ in node.current.snapshot.states:
        node.ledger_writer.update_safely()
    now_ms = node.clock.now_ms()
    assert {topic: scores.scored_ms for topic, scores in node.scores.current.items()} == dict.fromkeys(node.scores.current, now_ms)


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_watcher_that_hangs_is_noticed_by_the_time_that_passes(node: Node, ahead: int) -> None:
    node.clock.set_ahead(ahead)
    node.watcher.poll_safely()
    node.clock.set_ahead(-ahead)
    assert node.watcher.hung_for_ms() is None
    node.clock.advance(HUNG_AFTER_MS / 1_000 + 1)
    assert node.watcher.hung_for_ms() is not None


@pytest.mark.parametrize("ahead", AHEAD)
def test_trouble_said_while_the_clock_was_wrong_is_said_again_in_time(node: Node, ahead: int) -> None:
    def fail() -> None:
        raise OSError("the disk is gone")

    node.watcher.poll = fail  # type: ignore[method-assign]
    with capture_logs() as logs:
        node.clock.set_ahead(ahead)
        node.watcher.poll_safely()
        node.clock.set_ahead(-ahead)
        node.watcher.poll_safely()
        node.clock.advance(REMIND_MS / 1_000)
        node.watcher.poll_safely()
    assert [entry["event"] for entry in logs] == ["looking at candles and models failed, answers will run out"] * 2
