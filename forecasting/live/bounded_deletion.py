"""Forgets old rows topic by topic, the oldest first and a part at a time (`node.bounded_deletion`)."""

from __future__ import annotations

from sqlalchemy import Column, Engine, delete, func, select

from node.bounded_deletion import MAX_DELETED_ROWS, MIN_DELETED_ROWS, bound_deletion, delete_in_parts


def forget(engine: Engine, topic_id: Column[int], time_ms: Column[int], before_ms: int) -> int:
    """Delete rows from before `before_ms` of the table that has these two columns, its key; how many there were."""
    return sum(_forget(engine, topic_id, number, time_ms, before_ms) for number in _topic_ids(engine, topic_id))


def _forget(engine: Engine, topic_id: Column[int], number: int, time_ms: Column[int], before_ms: int) -> int:
    of_topic = topic_id == number
    with engine.connect() as connection:
        oldest = connection.scalar(select(func.min(time_ms)).where(of_topic))
        newest = connection.scalar(select(func.max(time_ms)).where(of_topic))
        if oldest is None or newest is None or oldest >= before_ms:
            return 0
        by_age = select(time_ms).where(of_topic).order_by(time_ms).limit(1)
        least, most = (connection.scalar(by_age.offset(count)) or before_ms for count in (MIN_DELETED_ROWS, MAX_DELETED_ROWS))
    before_ms = bound_deletion(before_ms, oldest, newest, least_ms=least, most_ms=most)
    old = select(time_ms).where(of_topic, time_ms < before_ms)
    return delete_in_parts(engine, delete(topic_id.table).where(of_topic), time_ms, old)


def _topic_ids(engine: Engine, topic_id: Column[int]) -> list[int]:
    """Of every topic with rows; from one to the next by the index, for DISTINCT would read every row."""
    found: list[int] = []
    with engine.connect() as connection:
        while True:
            others = select(func.min(topic_id))
            number = connection.scalar(others.where(topic_id > found[-1]) if found else others)
            if number is None:
                return found
            found.append(number)
