"""What the page is made of: its files, its data, and what a browser is told about both."""

from __future__ import annotations

import gzip
import json
import math
import re
from typing import Any

import pytest

from forecasting.live.ledger import ServedAnswer
from inference.routes.candles import BARS
from inference.routes.dashboard import FOLDER
from inference.routes.dashboard_library import LIBRARY_PATH, Library
from inference.routes.forecast import STEPS
from node.timestamps import utc_text
from tests.inference.conftest import BTC_10M, LAST_CLOSE, SOL_15M, START_MS, Node
from tests.support.paths import ROOT

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def json_of(node: Node, path: str, status: int = 200) -> Any:
    response = node.client.get(path)
    assert response.status_code == status
    return json.loads(response.data)


def page_of(node: Node) -> str:
    response = node.client.get("/", headers=HTML)
    assert response.content_type == "text/html; charset=utf-8"
    return response.get_data(as_text=True)


def test_a_browser_gets_the_page_and_curl_the_routes(node: Node) -> None:
    assert page_of(node).startswith("<!doctype html>")
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "text/plain"}):
        response = node.client.get("/", headers=accept)
        assert response.content_type == "text/plain; charset=utf-8"
        assert "Accept" in response.headers["Vary"]


def test_every_file_the_page_names_exists_and_may_be_kept_for_ever(node: Node) -> None:
    named = re.findall(r'(?:src|href)="(dashboard/[^"]+)"', page_of(node))
    assert len(named) >= 4
    for name in named:
        response = node.client.get(f"/{name}")
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        response.close()


def test_every_module_that_a_module_imports_exists(node: Node) -> None:
    (entry,) = re.findall(r'"(dashboard/[^"]+)/main.js"', page_of(node))
    for source in FOLDER.glob("*.js"):
        for name in re.findall(r'from "\./([a-z_]+\.js)"', source.read_text(encoding="utf-8")):
            response = node.client.get(f"/{entry}/{name}")
            assert (response.status_code, response.content_type) == (200, "text/javascript; charset=utf-8")


@pytest.mark.parametrize("name", ["page.py", "page.html", "..", "%2e%2e/page.py", "nothing.js"])
def test_nothing_but_the_page_s_own_files_is_served(node: Node, name: str) -> None:
    (folder,) = re.findall(r'"/?(dashboard/[^"]+)/main.js"', page_of(node))
    assert node.client.get(f"/{folder}/{name}").status_code == 404


def test_a_file_of_another_version_of_the_page_is_not_taken_for_this_one(node: Node) -> None:
    assert node.client.get("/dashboard/000000000000/main.js").status_code == 404


def test_the_page_allows_nothing_inline_and_nothing_from_elsewhere(node: Node) -> None:
    response = node.client.get("/", headers=HTML)
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    text = page_of(node)
    assert re.findall(r"<script(?![^>]* src=)|<style|\son[a-z]+=|\sstyle=|javascript:", text) == []
    assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []


def test_no_text_of_the_node_s_data_becomes_markup() -> None:
    for source in FOLDER.glob("*.js"):
        assert (
            re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", source.read_text(encoding="utf-8")) == []
        )


@pytest.mark.parametrize("path", ["/topics", "/inference/BTC", "/nope", "/metrics", "/"])
def test_every_answer_says_how_a_browser_may_use_it(node: Node, path: str) -> None:
    headers = node.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_the_chart_library_is_the_package_s_own_and_compressed(node: Node) -> None:
    library = Library()
    compressed = node.client.get(LIBRARY_PATH, headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed.data) == library.path.read_bytes()
    plain = node.client.get(LIBRARY_PATH)
    assert "Content-Encoding" not in plain.headers
    assert plain.data == library.path.read_bytes()
    plain.close()


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


def test_candles_are_the_newest_that_the_topic_s_model_reads(node: Node) -> None:
    node.fill(BTC_10M)
    shown = json_of(node, "/candles/BTC?topic=3")
    assert shown["candles"].keys() == {"open_time", "open", "high", "low", "close"}
    assert {len(column) for column in shown["candles"].values()} == {50}
    assert shown["candles"]["open_time"][-1] == START_MS - 60_000
    assert shown["candles"]["close"][-1] == pytest.approx(LAST_CLOSE)
    assert (shown["symbol"], shown["interval"], shown["interval_ms"], shown["horizon_ms"]) == ("BTCUSDT", "1m", 60_000, 600_000)
    assert shown["volatility"] is None
    assert len(json_of(node, "/candles/BTC?bars=7")["candles"]["close"]) == 7


def test_candles_of_a_topic_without_any_are_none(node: Node) -> None:
    node.watcher.poll()
    assert json_of(node, "/candles/BTC")["candles"] == {"open_time": [], "open": [], "high": [], "low": [], "close": []}


def test_candles_come_with_the_answers_made_for_their_time_and_what_came_of_them(node: Node) -> None:
    node.fill(BTC_10M)
    candles = node.candles.last("BTCUSDT", BTC_10M.interval, 60)
    times, close = candles["open_time"].tolist(), candles["close"].tolist()
    edges = (-0.01, 0.01, -0.02, 0.02, -0.03, 0.03)
    answers = [ServedAnswer(3, BTC_10M, times[i], "v", 64_000.0, close[i], 0.0, 0.0, 0.01, edges) for i in (30, 49, 55)]
    node.ledger.record(answers)
    past = json_of(node, "/candles/BTC?bars=15")["past"]
    assert [answer["time"] for answer in past] == [utc_text(times[59] + 60_000)]
    assert past[0]["made"] == utc_text(times[49] + 60_000)
    assert past[0]["truth"] == close[59]
    assert past[0]["value"] == 64_000.0
    low, high = past[0]["intervals"]["90"]
    assert low == pytest.approx(close[49] * math.exp(-0.03))
    assert high == pytest.approx(close[49] * math.exp(0.03))
    assert len(json_of(node, "/candles/BTC?bars=50")["past"]) == 2


def test_a_topic_of_volatility_shows_what_was_measured(node: Node) -> None:
    node.fill(SOL_15M)
    shown = json_of(node, "/candles/SOL?bars=20")
    assert len(shown["volatility"]) == len(shown["candles"]["close"]) == 20
    assert all(value > 0 for value in shown["volatility"])


def test_volatility_is_not_measured_across_a_gap(node: Node) -> None:
    node.fill(SOL_15M)
    node.clock.advance(300)
    with node.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM candles WHERE open_time = ?", (START_MS - 5 * 60_000,))
    measured = json_of(node, "/candles/SOL?bars=20")["volatility"]
    assert measured[-4:] == [None] * 4
    assert measured[-8] is not None


@pytest.mark.parametrize("bars", ["0", "1001", "-1", "1.5", "x", "", "９", "99999999999999999999"])
def test_a_number_of_candles_out_of_bounds_is_refused(node: Node, bars: str) -> None:
    error = json_of(node, f"/candles/BTC?bars={bars}", 400)["error"]
    assert error["code"] == "bad_parameter"
    assert "from 1 to 1000" in error["message"]


def test_candles_of_an_unknown_token_or_topic_are_refused(node: Node) -> None:
    assert json_of(node, "/candles/DOGE", 404)["error"]["code"] == "unknown_token"
    assert json_of(node, "/candles/BTC?topic=84", 404)["error"]["code"] == "unknown_topic"


def test_the_document_names_every_route_the_page_asks_and_its_bounds(node: Node) -> None:
    document = (ROOT / "docs/dashboard.md").read_text(encoding="utf-8")
    routes = set(re.findall(r"^\| `/([a-z]+)", document, re.MULTILINE))
    script = (FOLDER / "main.js").read_text(encoding="utf-8")
    assert routes == set(re.findall(r'=> "([a-z]+)"', script)) | set(re.findall(r'ofTopic\("([a-z]+)"', script))
    assert f"(1 to {BARS.maximum}, usually {BARS.default})" in document
    assert f"(1 to {STEPS.maximum}, usually {STEPS.default})" in document


def test_the_page_asks_for_what_the_routes_allow() -> None:
    html = (FOLDER / "page.html").read_text(encoding="utf-8")
    assert f'id="steps" type="number" min="1" max="{STEPS.maximum}" step="1" value="{STEPS.default}"' in html
    assert f"<option selected>{BARS.default}</option>" in html
    assert all(int(bars) <= BARS.maximum for bars in re.findall(r"<option[^>]*>(\d+)</option>", html))


def test_the_updater_is_shown_as_it_last_spoke(node: Node) -> None:
    node.watcher.poll()
    assert json_of(node, "/updater") == {"heard": None, "state": "never heard of", "topics": {}}
    topics = {"3": {"have": 10, "want": 40, "trained": False, "state": "filling", "detail": ""}}
    node.heartbeats.beat("updater", START_MS, {"state": "running", "topics": topics})
    assert json_of(node, "/updater") == {"heard": "2025-06-15T16:00:00Z", "state": "running", "topics": topics}


def test_without_a_database_the_data_are_not_ready(node: Node) -> None:
    assert json_of(node, "/updater", 503)["error"]["code"] == "not_ready"
    node.watcher.poll()
    with node.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE candles")
    assert json_of(node, "/candles/BTC", 503)["error"]["code"] == "not_ready"
