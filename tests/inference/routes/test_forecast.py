"""GET /forecast: the way to the horizon, with intervals."""

from __future__ import annotations

import json
import math

import pytest

from inference.routes.forecast import STEPS
from tests.inference.conftest import BTC_10M, ETH_8H, INTERVALS, LAST_CLOSE, SOL_15M, Node, json_of


def test_the_path_ends_with_the_answer_that_inference_gives(node: Node) -> None:
    node.fill(BTC_10M, answer=0.5, intervals=INTERVALS)
    path = json_of(node, "/forecast/btc?topic=3&steps=10")
    assert (path["topic_id"], path["token"], path["target"], path["horizon"]) == (3, "BTC", "price", "10m")
    assert path["version"] == node.models.champion_version(BTC_10M)
    assert path["made_from"] == "2025-06-15T15:59:00Z"
    assert path["last_price"] == path["baseline"] == LAST_CLOSE
    assert [step["time"] for step in path["steps"]] == [f"2025-06-15T16:{minute:02}:00Z" for minute in range(1, 11)]
    assert path["steps"][-1]["value"] == float(node.get("/inference/BTC?topic=3")[1])


def test_intervals_lie_inside_each_other_and_widen_with_time(node: Node) -> None:
    node.fill(BTC_10M, ETH_8H, SOL_15M, answer=0.2, intervals=INTERVALS)
    for path in ("/forecast/BTC?steps=5", "/forecast/ETH?steps=5", "/forecast/SOL?steps=5"):
        steps = json_of(node, path)["steps"]
        assert len(steps) == 5
        for step in steps:
            (low50, high50), (low80, high80), (low90, high90) = (step["intervals"][level] for level in ("50", "80", "90"))
            assert low90 < low80 < low50 < step["value"] < high50 < high80 < high90
        widths = [math.dist(*([edge] for edge in step["intervals"]["90"])) for step in steps]
        assert widths == sorted(widths)


def test_without_steps_there_are_the_usual_ones_and_without_topic_the_tokens_first(node: Node) -> None:
    node.fill(BTC_10M, intervals=INTERVALS)
    path = json_of(node, "/forecast/BTC")
    assert path["topic_id"] == 3
    assert len(path["steps"]) == STEPS.default
    assert len(json_of(node, f"/forecast/BTC?steps={STEPS.maximum}")["steps"]) == STEPS.maximum


@pytest.mark.parametrize("steps", ["0", "-1", "289", "1.5", "x", "", "9" * 400, "٣"])
def test_steps_out_of_bounds_are_refused(node: Node, steps: str) -> None:
    node.fill(BTC_10M, intervals=INTERVALS)
    error = json_of(node, f"/forecast/BTC?steps={steps}", 400)["error"]
    assert error["code"] == "bad_parameter"
    assert str(STEPS.maximum) in error["message"]
    assert len(error["message"]) < 200


def test_an_unknown_token_or_topic_and_a_stale_candle_are_errors_as_with_inference(node: Node) -> None:
    node.fill(BTC_10M, intervals=INTERVALS)
    assert json_of(node, "/forecast/DOGE", 404)["error"]["code"] == "unknown_token"
    assert json_of(node, "/forecast/BTC?topic=84", 404)["error"]["code"] == "unknown_topic"
    node.clock.advance(600)
    response = node.client.get("/forecast/BTC")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "overdue" in json.loads(response.data)["error"]["message"]


def test_a_model_that_does_not_know_its_errors_says_so_and_still_answers(node: Node) -> None:
    node.fill(BTC_10M)
    error = json_of(node, "/forecast/BTC", 503)["error"]
    assert error["code"] == "not_ready"
    assert "no intervals" in error["message"]
    assert node.get("/inference/BTC")[0] == 200


def test_intervals_that_make_no_sense_cost_the_path_and_not_the_answer(node: Node) -> None:
    node.fill(BTC_10M, intervals=INTERVALS | {"90": (3.0, -3.0)})
    assert "no intervals" in json_of(node, "/forecast/BTC", 503)["error"]["message"]
    assert node.get("/inference/BTC")[0] == 200
