"""How long something lasts is told by the time that passes, whatever the clock says meanwhile."""

from __future__ import annotations

import threading

import pytest

from node.clock import ManualClock, Pause, SystemClock

DAY = 86_400.0


@pytest.mark.parametrize("jump", [DAY, -DAY, 731 * DAY, -20_000 * DAY])
def test_a_pause_is_as_long_as_it_was_meant_wherever_the_clock_is_set(jump: float) -> None:
    clock = ManualClock()
    pause = Pause(clock)
    assert not pause.lasts
    pause.begin(60_000)
    clock.set_ahead(jump)
    assert pause.left_ms == 60_000
    clock.advance(59.9)
    clock.set_ahead(-2 * jump)
    assert pause.lasts
    clock.advance(0.1)
    assert not pause.lasts


def test_a_pause_may_be_made_longer_or_ended_but_not_shorter() -> None:
    clock = ManualClock()
    pause = Pause(clock)
    pause.begin(5_000)
    pause.begin(1_000)
    assert pause.left_ms == 5_000
    pause.begin(9_000)
    assert pause.left_ms == 9_000
    pause.end()
    assert not pause.lasts


def test_time_passes_on_this_machine_and_never_backwards() -> None:
    clock = SystemClock()
    before = clock.monotonic_ms()
    clock.wait(0.02, threading.Event())
    assert clock.monotonic_ms() - before >= 15
