"""Writing that the system refuses half-way, as a full disk does: what was there stays, and nothing half-written is ever seen."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from model_store.store import ModelStore
from tests.support.tiny_models import BTC, tiny_graph, tiny_metadata


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Within, the system writes no file beyond `size` bytes: the beginning is on the disk, and the rest an OSError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with capture_logs():  # lest a line of the log be what is refused
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def publish(store: ModelStore, answer: float) -> str:
    return store.publish(BTC, graph=tiny_graph(answer), weights=b"w" * 400, metadata=tiny_metadata(BTC, answer)).version


@pytest.mark.parametrize("size", [0, 100, 450])
def test_a_disk_that_fills_while_a_version_is_written_leaves_the_champion_and_nothing_else(store: ModelStore, size: int) -> None:
    first = publish(store, 0.1)
    store.promote(BTC, first, "first")
    with files_end_at(size), pytest.raises(OSError, match="too large"):
        publish(store, 0.2)
    assert store.champion(BTC).name == first
    assert {path.name for path in (store.root / "BTC" / "price-10m").iterdir()} == {"champion.json", first}
    store.promote(BTC, publish(store, 0.2), "there is room again")
    assert store.champion(BTC).graph == tiny_graph(0.2)


def test_a_disk_that_fills_while_the_pointer_is_written_leaves_the_old_champion(store: ModelStore) -> None:
    first, second = publish(store, 0.1), publish(store, 0.2)
    store.promote(BTC, first, "first")
    with files_end_at(50), pytest.raises(OSError, match="too large"):
        store.promote(BTC, second, "better")
    assert store.champion(BTC).name == first
    store.promote(BTC, second, "there is room again")
    assert store.champion(BTC).name == second
