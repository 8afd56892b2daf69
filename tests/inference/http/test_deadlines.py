"""Clients are late by the time that they had, and not by the time in which the process stood still."""

from __future__ import annotations

import pytest

from inference.http.deadlines import Deadlines, standstill_seconds
from inference.http.limits import MAX_LARGE_FILE_SECONDS, MAX_REQUEST_SECONDS, MAX_ROUND_SECONDS

IN_TIME, TOO_LATE = MAX_REQUEST_SECONDS - 0.1, MAX_REQUEST_SECONDS + 0.1


@pytest.mark.parametrize(
    ("stood_still", "reading", "stays"),
    [(0.0, IN_TIME, True), (0.0, TOO_LATE, False), (TOO_LATE, 0.1, True), (TOO_LATE, TOO_LATE, False)],
)
def test_a_client_is_not_late_by_the_time_in_which_the_process_stood_still(stood_still: float, reading: float, stays: bool) -> None:
    deadlines: Deadlines[str] = Deadlines()
    now = 1000.0
    deadlines["client"] = now + MAX_REQUEST_SECONDS
    late = []
    for step in (stood_still + MAX_ROUND_SECONDS, *[0.1] * round(10 * (reading - MAX_ROUND_SECONDS))):
        late += deadlines.take_late(now + step, standstill_seconds(now, now + step))
        now += step
    assert late == ([] if stays else ["client"])
    assert len(deadlines) == (1 if stays else 0)


def test_a_standstill_of_an_hour_gives_nobody_more_than_a_whole_request_s_time() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines["client"] = 9.0 + MAX_LARGE_FILE_SECONDS
    assert deadlines.take_late(3600.0, standstill_seconds(9.0, 3600.0)) == []
    assert deadlines["client"] == 3600.0 + MAX_REQUEST_SECONDS


def test_a_round_that_waits_for_something_to_do_is_no_standstill() -> None:
    assert standstill_seconds(5.0, 5.0 + MAX_ROUND_SECONDS) == 0.0
    assert standstill_seconds(5.0, 6.0 + MAX_ROUND_SECONDS) == pytest.approx(1.0)


def test_a_client_that_is_discarded_is_never_late() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines["client"] = 1.0
    deadlines.discard("client")
    deadlines.discard("another")
    assert deadlines.take_late(2.0) == []
