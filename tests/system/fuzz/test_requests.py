"""A served inference under some of the requests of `make fuzz TARGET=requests`, and that a fault would be seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.support.held import Held
from tests.system.fuzz.served import Holding, Report, Seen, flood
from tests.system.fuzz.spoken import said

REQUESTS = 2_000


@pytest.mark.timeout(240)
def test_two_thousand_requests_of_any_kind_are_answered_or_refused_and_leave_nothing_behind(tmp_path: Path) -> None:
    report = flood(tmp_path, REQUESTS, seed=7)
    assert report.complaints() == []
    assert report.seen.statuses.total() > 0.9 * REQUESTS
    assert {"200", "304", "400", "404", "405", "503"} <= report.seen.statuses.keys()
    assert report.seen.statuses["200"] > 0.1 * REQUESTS
    assert report.seen.statuses["none"] < 0.2 * REQUESTS


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 Internal Server Error\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nTraceback (most recent call last):",
        b"what is no HTTP",
        None,
    ],
)
def test_a_wrong_answer_is_seen(answer: bytes | None) -> None:
    seen = Seen()
    seen.add(b"GET / HTTP/1.1\r\n\r\n", answer)
    assert [request for request, _ in seen.faults] == [b"GET / HTTP/1.1\r\n\r\n"]


def test_what_leaks_is_seen() -> None:
    held = Held(megabytes=100.0, descriptors=20, threads=10)
    well = Report(Seen(), Holding(90.0, held), Holding(92.0, held), "inference started")
    assert well.complaints() == []
    assert replace(well, done=Holding(101.0, held)).complaints() == ["11.0 MB more than before"]
    assert replace(well, done=Holding(90.0, replace(held, descriptors=40))).complaints() == ["descriptors leak"]
    assert replace(well, done=Holding(90.0, replace(held, threads=19))).complaints() == ["threads leak"]
    assert replace(well, log="Traceback (most recent call last):").complaints() == ["the log says 'Traceback'"]


def test_requests_are_drawn_by_their_seed_and_differ() -> None:
    assert [said(Random(number)) for number in range(50)] == [said(Random(number)) for number in range(50)]
    drawn = [said(random) for random in [Random(5)] for _ in range(500)]
    assert len(set(drawn)) > 450
    assert sum(request.startswith(b"GET /") and request.endswith(b"\r\n\r\n") for request in drawn) > 150
