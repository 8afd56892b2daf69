"""Every error has the one form, whatever was asked."""

from __future__ import annotations

import json

import pytest

from inference.application import create_app
from inference.metrics import InferenceMetrics
from tests.inference.conftest import Node, json_of


@pytest.mark.parametrize("path", ["/nope", "/inference", "/inference/", "/inference/BTC/3", "/inference/BTC/", "/static/x", "/%00"])
def test_an_unknown_route_is_an_error_in_the_one_form(node: Node, path: str) -> None:
    error = json_of(node, path, 404)["error"]
    assert error["code"] == "not_found"
    assert error["hint"] == "GET / lists the routes."


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_another_method_is_an_error_in_the_one_form(node: Node, method: str) -> None:
    response = getattr(node.client, method)("/inference/BTC")
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert json.loads(response.data)["error"]["code"] == "method_not_allowed"


def test_a_fault_of_our_own_is_an_error_in_the_one_form(node: Node) -> None:
    def fail() -> int | None:
        raise RuntimeError("unforeseen")

    app = create_app(
        current=node.current, store=node.models, clock=node.clock, metrics=InferenceMetrics(), hung_for_ms=fail
    )  # fmt: skip
    response = app.test_client().get("/health/ready")
    assert response.status_code == 500
    assert json.loads(response.data)["error"]["code"] == "internal_error"
    assert b"unforeseen" not in response.data


def test_a_long_token_is_not_echoed_at_length(node: Node) -> None:
    status, body = node.get("/inference/" + "x" * 5000)
    assert status == 404
    assert len(body) < 500
