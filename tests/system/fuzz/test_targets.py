"""Every fuzz target over its seeds and some hundreds of changes to them, so that no target rots; `make fuzz` goes on from there."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.system.fuzz.mutation import mutated
from tests.system.fuzz.targets import TARGETS

LARGEST = 16_384
USUAL = 200
SLOW = {"manifest": 40, "pointer": 40}
"""How many changes are tried of what has the whole of inference behind it."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_takes_what_is_really_sent_and_survives_what_becomes_of_it(name: str, tmp_path: Path) -> None:
    seeds = TARGETS[name].seeds()
    with TARGETS[name].prepare(tmp_path) as check:
        taken = [check(seed) for seed in seeds]
        assert any(taken), "the target refuses everything"

        @settings(
            max_examples=SLOW.get(name, USUAL),
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.sampled_from(seeds), st.integers(0, 2**32), st.binary(max_size=8) | st.sampled_from([*TARGETS[name].words, b""]))
        def change(seed: bytes, number: int, noise: bytes) -> None:
            random = Random(number)

            def spliced(data: bytes, largest: int) -> bytes:
                start = random.randrange(len(data) + 1)
                return (data[:start] + noise + data[start + random.choice((0, 1, 8, len(noise))) :])[:largest]

            check(mutated(seed, LARGEST, random, spliced))

        change()


def test_a_change_is_another_json_or_other_bytes_and_never_too_long() -> None:
    seed = b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps({"rows": [[1, "2"], [3.5, None]], "last": 4}).encode()
    made = [mutated(seed, LARGEST, Random(number), lambda data, largest: data[:-1]) for number in range(300)]
    assert all(len(data) <= LARGEST for data in made)
    parsed = [data for data in made if data != seed[:-1]]
    assert len(set(parsed)) > 60
    assert all(data.startswith(b"HTTP/1.1 200 OK\r\n\r\n") for data in parsed)
    for data in parsed:
        if b"9" * 10_000 not in data:
            json.loads(data.partition(b"\r\n\r\n")[2])
