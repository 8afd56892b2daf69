"""The page as a person uses it, in a real browser."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from forecasting.live.submissions import TakenAnswer
from inference.answers.score_board import score_topic
from node.truth import TopicInterval, base_time
from tests.inference.conftest import BTC_10M, ETH_8H, INTERVALS, LAST_CLOSE, SOL_15M
from tests.inference.dashboard.conftest import NARROW, TASKS, WIDE, Page, Server, faults_of, remember


def test_the_first_view_says_how_the_node_is_and_draws_the_first_topic(full: Page) -> None:
    assert full.headline == "All four topics are answering"
    assert full.chart.startswith("50 candles of BTCUSDT, 1m each")
    assert full.text("#answer-when").startswith("BTC price 10m, at ")
    assert full.text("#answer-value").endswith(" USDT")
    assert [row.text for row in full.all("#topic-rows th")] == [
        "BTC price 10m\ntopic 3",
        "BTC price 24h\ntopic 69",
        "ETH log return 8h\ntopic 84",
        "SOL volatility 15m\ntopic 82",
    ]
    assert len(full.all("#numbers tr")) == 12


def test_another_topic_is_a_click_or_a_key_away_and_stays_in_the_address(full: Page, server: Server) -> None:
    full.pick(84)
    full.until(lambda: "ETHUSDT" in full.chart)
    assert full.text("#answer-when").startswith("ETH log return 8h")
    assert "topic=84" in full.driver.current_url
    full.find("#topic-84").send_keys(Keys.ARROW_RIGHT)
    full.until(lambda: "SOLUSDT" in full.chart)
    assert full.text("#answer-value").endswith(" %")
    full.driver.refresh()
    full.until(lambda: "SOLUSDT" in full.chart)


def test_each_target_is_drawn_with_its_way_ahead(full: Page) -> None:
    for topic, symbol in ((3, "BTCUSDT"), (84, "ETHUSDT"), (82, "SOLUSDT")):
        full.pick(topic)
        full.until(lambda symbol=symbol: symbol in full.chart and "The forecast for" in full.chart)
        drawn = full.lines()
        assert drawn[0]["type"] == "candlestick"
        assert drawn[-1]["y"][0] > 0
        assert len(drawn[-1]["x"]) == 13


def test_the_number_of_steps_is_the_reader_s(full: Page) -> None:
    steps = full.find("#steps")
    steps.send_keys(Keys.CONTROL, "a")
    steps.send_keys("5")
    full.until(lambda: len(full.all("#numbers tr")) == 5)
    assert full.text("#steps-words") == "10 minutes in 5 steps of 2 min"
    full.driver.refresh()
    full.until(lambda: len(full.all("#numbers tr")) == 5)


def test_a_number_of_steps_out_of_bounds_is_not_asked_for(full: Page) -> None:
    steps = full.find("#steps")
    steps.send_keys(Keys.CONTROL, "a")
    steps.send_keys("0")
    steps.send_keys(Keys.CONTROL, "a")
    steps.send_keys(Keys.BACKSPACE)
    assert "steps=0" not in full.driver.current_url
    steps.send_keys("289")
    full.until(lambda: len(full.all("#numbers tr")) == 28)
    assert full.run("return document.getElementById('steps').matches(':invalid')")


def test_the_number_of_candles_is_the_reader_s(full: Page) -> None:
    Select(full.find("#bars")).select_by_visible_text("25")
    full.until(lambda: full.chart.startswith("25 candles"))
    full.driver.refresh()
    full.until(lambda: full.chart.startswith("25 candles"))


def test_past_forecasts_lie_over_what_happened_and_those_that_missed_are_marked(full: Page, server: Server) -> None:
    assert not full.find("#key-past").is_displayed()
    remember(server.node)
    full.driver.refresh()
    full.until(lambda: full.find("#key-past").is_displayed())
    said = next(line for line in full.lines() if line.get("line", {}).get("dash") == "dot")
    missed = next(line for line in full.lines() if line.get("marker", {}).get("symbol") == "x-thin")
    assert len(said["x"]) == 30
    assert len(missed["x"]) == 1
    assert full.find("#key-missed").is_displayed()


def test_live_skill_is_shown_once_truth_is_known(full: Page, server: Server) -> None:
    def score() -> None:
        topic = server.node.current.snapshot.states[0].topic
        server.node.scores.put(score_topic(server.node.ledger, topic, server.node.clock.now_ms()))
        full.driver.refresh()

    full.until(lambda: "not scored yet" in full.text("#skill-words"))
    score()
    full.until(lambda: "no answer has been given yet" in full.text("#skill-words"))
    remember(server.node)
    score()
    full.until(lambda: full.find("#skill-chart").is_displayed() and full.lines("skill-chart"))
    assert "the baseline over 30 answers" in full.text("#skill-words")
    assert "Skill over the last 24 hours" in str(full.find("#skill-chart").get_attribute("aria-label"))


def test_what_was_submitted_is_listed_with_what_came_of_it(full: Page, server: Server) -> None:
    node = server.node
    now_ms = node.clock.now_ms()
    bases = [base_time(now_ms) - minutes * 60_000 for minutes in (30, 5)]
    task = node.current.snapshot.states[0].topic.task
    taken = [TakenAnswer(3, TopicInterval(task, base), base + 40_000, "20260101T000000Z-abcdef", 64_321.5, 0.001) for base in bases]
    node.ledger.submissions.record(taken, [(3, bases[0])])
    assert not full.find("#submitted").is_displayed()
    node.scores.put(score_topic(node.ledger, node.current.snapshot.states[0].topic, now_ms))
    full.driver.refresh()
    full.until(lambda: full.find("#submitted").is_displayed())
    full.find("#submitted summary").click()
    newest, oldest = (row.text for row in full.all("#submissions tr"))
    assert "64,321.50 USDT" in newest
    assert "not known yet" in newest
    assert "not said" in newest
    assert "not known yet" not in oldest
    assert "accepted" in oldest
    assert "over 1 submission since" in full.text("#skill-words")


def test_it_follows_the_node_by_itself(full: Page, server: Server) -> None:
    before = full.text("#answer-value")
    server.node.clock.advance(60)
    server.node.store_candles(BTC_10M, last_close=LAST_CLOSE + 100)
    server.node.watcher.poll()
    full.until(lambda: full.text("#answer-value") != before)


def test_it_is_as_dark_as_the_system_unless_told_otherwise_and_remembers(server: Server, page: Page) -> None:
    def background() -> str:
        return str(page.run("return getComputedStyle(document.body).backgroundColor"))

    server.node.fill(*TASKS, intervals=INTERVALS)
    page.look(scheme="dark")
    page.open(server.address)
    page.until(lambda: page.chart)
    dark = background()
    ink = page.lines()[0]["increasing"]["line"]["color"]
    page.look(scheme="light")
    page.until(lambda: background() != dark)
    page.until(lambda: page.lines()[0]["increasing"]["line"]["color"] != ink)
    Select(page.find("#theme")).select_by_visible_text("Dark")
    assert background() == dark
    page.driver.refresh()
    assert background() == dark
    page.until(lambda: page.chart)
    Select(page.find("#theme")).select_by_visible_text("System")
    assert background() != dark


def test_a_narrow_screen_shows_everything_without_scrolling_sideways(server: Server, page: Page) -> None:
    server.node.fill(*TASKS, intervals=INTERVALS)
    remember(server.node)
    page.look(NARROW)
    page.open(server.address)
    page.until(lambda: page.chart)
    assert page.run("return document.documentElement.scrollWidth") == NARROW[0]
    shown = "[...document.querySelectorAll('main *')].filter((each) => !each.closest('.scroll, .unseen, thead, .chart'))"
    assert page.run(f"return {shown}.filter((each) => each.getBoundingClientRect().right > innerWidth + 1).length") == 0
    assert page.find("#topic-rows tr").is_displayed()


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light")])
def test_axe_finds_no_fault(server: Server, page: Page, size: tuple[int, int], scheme: str) -> None:
    server.node.fill(BTC_10M, ETH_8H, SOL_15M, answer=0.2, intervals=INTERVALS)
    remember(server.node)
    page.look(size, scheme)
    page.open(server.address)
    page.until(lambda: page.chart and page.all(".lineage li"))
    page.find("#in-numbers summary").click()
    assert faults_of(page) == []
