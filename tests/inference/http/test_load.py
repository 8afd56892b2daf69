"""Inference as a real process under many clients, while champions and candles change beneath it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.http.server import THREADS
from node.clock import SystemClock
from tests.inference.conftest import Node
from tests.support.held import Held
from tests.support.http_clients import Clients
from tests.support.http_load import Changes
from tests.support.inference_server import Server, serve

CLIENTS = 64
PATH = "/inference/BTC"
SWAPS = 6
FILES_OF_SQLITE = 4
"""Of two connections more, with their logs, which the pool may open when it is first asked by two threads at once."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Whose candles are old at first, so that there is time for new ones, but not too old to be answered from."""
    node = Node(tmp_path, [3], SystemClock().now_ms() - 30 * 60_000)
    node.write_config([3], inference={"staleAfter": "60m"})
    yield node
    node.engine.dispose()


@pytest.fixture
def changes(node: Node) -> Changes:
    changes = Changes(node)
    changes.candle()
    changes.swap()
    return changes


@pytest.fixture
def server(node: Node, changes: Changes) -> Iterator[Server]:
    yield from serve(node)


def test_under_load_no_request_fails_while_champions_and_candles_change_and_nothing_piles_up(
    server: Server, changes: Changes
) -> None:
    server.wait_for(lambda: server.get(PATH)[0] == 200)
    with Clients(server.port, [PATH] * CLIENTS):
        pass  # every thread has worked and every buffer has grown
    (worker,) = server.children()
    before = held_at_rest(server, worker)
    with Clients(server.port, [PATH] * CLIENTS) as clients:
        for number in range(1, SWAPS + 1):
            changes.swap()
            if number % 2 == 0:
                changes.candle()
            server.wait_for(lambda number=number: version_served(server, changes) == number)  # type: ignore[misc]
    assert not clients.outcome.failed
    assert not clients.outcome.refused
    versions = changes.versions_of(clients.outcome.answers)
    assert versions >= set(range(SWAPS))
    assert None not in versions
    assert server.children() == [worker]
    after = held_at_rest(server, worker)
    assert after.threads == before.threads
    assert after.descriptors <= before.descriptors + FILES_OF_SQLITE  # fewer than there were swaps
    assert after.megabytes - before.megabytes < 16


def version_served(server: Server, changes: Changes) -> int | None:
    """The number of the version whose answer is given now."""
    (number,) = changes.versions_of(Counter([server.get(PATH)[1]]))
    return number


def held_at_rest(server: Server, worker: int) -> Held:
    """What it holds once the last client's connection has been closed."""
    resting: list[Held] = []

    def is_resting() -> bool:
        resting.append(Held.by(worker))
        return len(resting) > THREADS and len({(held.descriptors, held.threads) for held in resting[-THREADS:]}) == 1

    server.wait_for(is_resting)
    return resting[-1]
