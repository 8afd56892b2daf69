"""What the page says of a node that is not well, of one without models, and of one that cannot be reached."""

from __future__ import annotations

from node.durations import Interval
from tests.inference.conftest import BTC_10M, ETH_8H, INTERVALS, candles_until
from tests.inference.dashboard.conftest import Page, Server, faults_of


def test_the_headline_names_the_one_topic_that_does_not_answer(server: Server, page: Page) -> None:
    node = server.node
    node.clock.advance(20 - node.clock.now_ms() % ETH_8H.interval.ms / 1000)  # no candle of the other topic closes meanwhile
    node.write_config([3, 84])
    node.fill(BTC_10M, ETH_8H, intervals=INTERVALS)
    page.open(server.address)
    page.until(lambda: page.headline == "Both topics are answering")
    node.clock.advance(400)
    node.candles.upsert(ETH_8H.symbol, Interval.MINUTE, candles_until(node.clock.now_ms(), Interval.MINUTE))
    node.watcher.poll()
    page.until(lambda: page.headline.startswith("BTC price 10m: no fresh candle since "))
    assert "The other topic is answering." in page.text("#headline-reasons")
    page.until(lambda: "No forecast is served now" in page.chart)
    assert page.text("#answer-value") == "No forecast"
    assert not page.find("#key-ahead").is_displayed()
    assert faults_of(page) == []


def test_without_models_it_says_what_the_updater_is_doing(server: Server, page: Page) -> None:
    node = server.node
    node.write_config([3, 84])
    progress = {"have": 10, "want": 40, "trained": False, "state": "filling", "detail": ""}
    topics = {"3": progress, "84": progress | {"state": "training", "have": 40}}
    node.heartbeats.beat("updater", node.clock.now_ms(), {"state": "running", "topics": topics})
    node.watcher.poll()
    page.open(server.address)
    page.until(lambda: page.headline == "No topic has a model yet")
    page.until(lambda: "25 % of its candles are there" in page.text("#headline-reasons"))
    assert "the first one is being trained" in page.text("#headline-reasons")
    page.until(lambda: page.find("#no-candles").is_displayed())
    page.until(lambda: len(page.all("#updater-topics progress")) == 2)
    assert "10 of 40 candles" in page.text("#updater-topics")
    page.until(lambda: "no champion yet" in page.text("#model-list"))
    assert faults_of(page) == []


def test_a_node_that_cannot_be_reached_is_said_and_found_again(full: Page, server: Server) -> None:
    server.stop()
    full.until(lambda: full.headline == "The node cannot be reached")
    assert "old" in full.text("#headline-reasons")
    assert faults_of(full) == []
    server.start()
    full.find("#try-again").click()
    full.until(lambda: full.headline == "All four topics are answering")
    assert not full.find("#try-again").is_displayed()
    assert all("ERR_CONNECTION_REFUSED" in error for error in full.errors())


def test_models_show_where_each_version_came_from_and_why_it_was_taken_or_not(server: Server, page: Page) -> None:
    node = server.node
    node.fill(BTC_10M, answer=0.1, intervals=INTERVALS)
    first = node.models.champion_version(BTC_10M)
    node.fill(BTC_10M, answer=0.2, intervals=INTERVALS, parent=first)
    page.open(server.address)
    page.until(lambda: len(page.all(".model[open] .lineage li")) == 2)
    newest, oldest = (line.text for line in page.all(".model[open] .lineage li"))
    assert "champion" in newest
    assert f"from {str(first)[-6:]} of " in newest
    assert len(page.all(".lineage .joined")) == 1
    assert "former champion" in oldest
    assert "from scratch" in oldest


def test_text_from_the_node_is_never_markup(server: Server, page: Page) -> None:
    node = server.node
    node.fill(BTC_10M, intervals=INTERVALS)
    version = str(node.models.champion_version(BTC_10M))
    nasty = "<img src=x onerror=\"document.title='broken into'\">"
    node.models.promote(BTC_10M, version, nasty)
    topics = {"3": {"have": 1, "want": 2, "trained": True, "state": nasty, "detail": nasty}}
    node.heartbeats.beat("updater", node.clock.now_ms(), {"state": nasty, "topics": topics})
    node.watcher.poll()
    page.open(server.address)
    page.until(lambda: nasty in page.text("#model-list") and nasty in page.text("#updater"))
    assert page.all("img") == []
    assert page.driver.title == "Allora worker node"
