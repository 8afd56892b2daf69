"""Old rows are deleted a part at a time: whoever is wrong about what is old loses no more before it is noticed, and others wait no
longer for the database."""

from __future__ import annotations

import time
from typing import Any, Final

from sqlalchemy import Column, Delete, Engine, Select

PART: Final = 5_000
"""Rows deleted in one transaction: hundredths of a second."""
MIN_REST_SECONDS: Final = 0.01

MIN_DELETED_ROWS: Final = 100
MAX_DELETED_ROWS: Final = 10_000
DELETED_PART: Final = 10
"""A call deletes this part of the time that a series spans, but not fewer rows than the least, nor more than the most."""


def bound_deletion(before_ms: int, oldest_ms: int, newest_ms: int, *, least_ms: int, most_ms: int) -> int:
    """The time before which rows may be deleted at once, of those older than `before_ms`.

    `oldest_ms` and `newest_ms` are the ends of the series, `least_ms` and `most_ms` the times before which its oldest
    MIN_DELETED_ROWS and MAX_DELETED_ROWS lie.
    """
    return min(before_ms, most_ms, max(least_ms, oldest_ms + (newest_ms - oldest_ms) // DELETED_PART))


def delete_in_parts(engine: Engine, rows: Delete, key: Column[int], keys: Select[Any]) -> int:
    """Delete those of `rows` whose `key` is among `keys`, from the lowest on, few in each transaction; how many there were.

    After each part as long a rest follows as the part took, which is the others' turn to write.
    """
    deleted = 0
    while True:
        started = time.perf_counter()
        with engine.begin() as connection:
            part = list(connection.scalars(keys.order_by(key).limit(PART)))
            if part:
                deleted += connection.execute(rows.where(key.between(part[0], part[-1]))).rowcount
        if len(part) < PART:
            return deleted
        time.sleep(max(MIN_REST_SECONDS, time.perf_counter() - started))
