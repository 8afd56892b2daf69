"""From nothing to answers and accepted submissions: `docker compose --profile demo up` on fresh volumes."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from inference.application import ROUTES
from inference.routes.openapi import describe_routes
from tests.system.containers.conftest import SERVICES, SIMULATORS, Node, wait_for

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]


def test_until_there_is_a_model_answers_are_refused_with_progress_in_answer_health_and_log(node: Node) -> None:
    refusals: list[dict[str, Any]] = []
    unready: list[str] = []

    def answered() -> bool:
        response = node.get("/inference/ETH")
        if response.status_code == 200:
            return True
        assert (response.status_code, int(response.headers["Retry-After"]) > 0) == (503, True)
        refusals.append(response.json()["error"])
        unready.append(node.get("/health/ready").text)
        return False

    wait_for(answered, 400, "an answer")
    assert any(re.search(r"\d+ of \d+ candles|training", refusal["message"]) for refusal in refusals)
    assert any(re.search(r"\d+ of \d+ candles|training", text) for text in unready)
    log = node.compose("logs", "--no-color", "updater")
    assert '"event": "training"' in log
    assert '"event": "trained"' in log


def test_every_container_becomes_healthy(running: Node) -> None:
    for service in (*SERVICES, *SIMULATORS):
        wait_for(lambda service=service: running.is_healthy(service), 60, f"{service} healthy")


def test_the_published_port_gives_a_bare_decimal_for_every_topic(running: Node) -> None:
    for topic in running.topics():
        response = running.get(topic["endpoint"])
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/plain")
        assert re.fullmatch(r"-?\d+(\.\d+)?", response.text)
        assert Decimal(response.text).is_finite()
    assert running.get("/health/ready").json()["status"] == "ready"


def test_the_routes_are_described_in_the_image_as_they_are_here(running: Node) -> None:
    assert running.get("/openapi.json").json() == describe_routes(ROUTES)


def test_the_chain_accepts_a_submission_for_every_topic(running: Node) -> None:
    wanted = {topic["topic_id"] for topic in running.topics()}
    wait_for(lambda: wanted <= running.accepted_topics(), 200, "an accepted submission for every topic")
