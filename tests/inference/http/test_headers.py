"""Headers that every answer has, and ETags."""

from __future__ import annotations

import pytest

from tests.inference.conftest import BTC_10M, LAST_CLOSE, Node


@pytest.mark.parametrize("path", ["/topics", "/inference/BTC", "/nope", "/metrics", "/"])
def test_every_answer_says_how_a_browser_may_use_it(node: Node, path: str) -> None:
    headers = node.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_asking_again_is_answered_in_short_when_nothing_has_changed(node: Node) -> None:
    node.fill(BTC_10M)
    for path in ("/candles/BTC", "/models", "/updater", "/topics"):
        tag = node.client.get(path).headers["ETag"]
        again = node.client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.data) == (304, b"")
    tag = node.client.get("/candles/BTC").headers["ETag"]
    node.clock.advance(60)
    node.store_candles(BTC_10M, last_close=LAST_CLOSE + 1)
    assert node.client.get("/candles/BTC", headers={"If-None-Match": tag}).status_code == 200
