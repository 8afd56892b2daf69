"""What inference holds does not depend on how many have asked, nor on what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.clock import SystemClock
from tests.inference.conftest import BTC_10M, Node
from tests.support.held import Held
from tests.support.http_clients import Clients
from tests.support.http_load import INTERVALS, every_path
from tests.support.inference_server import Server, serve

WARM_UP = 3_000
REQUESTS = 5_000
MOST_MEGABYTES = 4
"""Less than a kilobyte a request."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    node = Node(tmp_path, [3], SystemClock().now_ms())
    node.write_config([3], inference={"staleAfter": "60m"})
    node.fill(BTC_10M, intervals=INTERVALS)
    yield from serve(node)
    node.engine.dispose()


def test_five_thousand_requests_of_every_kind_leave_nothing_behind_in_memory(server: Server) -> None:
    server.wait_for(lambda: server.get("/forecast/BTC")[0] == 200)
    (worker,) = server.children()
    with Clients(server.port, every_path()) as clients:
        clients.wait_for(WARM_UP)
        before = Held.by(worker)
        clients.wait_for(WARM_UP + REQUESTS)
        after = Held.by(worker)
    assert set(clients.outcome.failed) == {"400", "404"}
    assert not clients.outcome.refused
    assert server.children() == [worker]
    assert after.megabytes - before.megabytes < MOST_MEGABYTES
    assert after.threads == before.threads
