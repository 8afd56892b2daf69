"""GET /updater: the newest heartbeat."""

from __future__ import annotations

from tests.inference.conftest import START_MS, Node, json_of


def test_the_updater_is_shown_as_it_last_spoke(node: Node) -> None:
    node.watcher.poll()
    assert json_of(node, "/updater") == {"heard": None, "state": "never heard of", "topics": {}}
    topics = {"3": {"have": 10, "want": 40, "trained": False, "state": "filling", "detail": ""}}
    node.heartbeats.beat("updater", START_MS, {"state": "running", "topics": topics})
    assert json_of(node, "/updater") == {"heard": "2025-06-15T16:00:00Z", "state": "running", "topics": topics}
