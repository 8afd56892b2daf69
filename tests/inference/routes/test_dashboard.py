"""What the page is made of: its files, its data, and what a browser is told about both."""

from __future__ import annotations

import gzip
import re

import pytest

from inference.routes.candles import BARS
from inference.routes.dashboard import FOLDER
from inference.routes.dashboard_library import LIBRARY_PATH, Library
from inference.routes.forecast import STEPS
from tests.inference.conftest import BTC_10M, Node
from tests.support.paths import ROOT

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


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


def test_the_chart_library_is_the_package_s_own_and_compressed(node: Node) -> None:
    library = Library()
    compressed = node.client.get(LIBRARY_PATH, headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed.data) == library.path.read_bytes()
    plain = node.client.get(LIBRARY_PATH)
    assert "Content-Encoding" not in plain.headers
    assert plain.data == library.path.read_bytes()
    plain.close()


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


def test_the_index_lists_routes_that_exist(node: Node) -> None:
    node.fill(BTC_10M)
    status, text = node.get("/")
    assert status == 200
    paths = [line.split()[0] for line in text.splitlines()]
    assert "/topics" in paths
    for path in paths:
        assert node.get(
            path.replace("<token>", "BTC").replace("<id>", "3").replace("<n>", "5").replace("<ms>", str(node.clock.now_ms()))
        )[0] in (200, 503)
