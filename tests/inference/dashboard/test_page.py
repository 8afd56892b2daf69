"""The page as a person uses it, in a real browser."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from forecasting.live.ledger import ServedAnswer
from forecasting.live.submissions import TakenAnswer
from inference.answers.score_board import score_topic
from node.durations import Interval
from node.truth import TopicInterval, base_time
from tests.inference.conftest import BTC_10M, BTC_24H, ETH_8H, LAST_CLOSE, SOL_15M, Node, candles_until
from tests.inference.dashboard.conftest import NARROW, WIDE, Page, Server

INTERVALS = {"50": (-0.5, 0.75), "80": (-1.0, 1.5), "90": (-2.0, 2.5)}
TASKS = (BTC_10M, BTC_24H, ETH_8H, SOL_15M)


@pytest.fixture
def full(server: Server, page: Page) -> Page:
    """The page of a node whose four topics answer."""
    server.node.fill(*TASKS, answer=0.2, intervals=INTERVALS)
    page.open(server.address)
    page.until(lambda: page.chart)
    return page


def remember(node: Node, count: int = 40) -> None:
    """What the ledger of a node would hold that has answered topic 3 every minute; each answer was the true price, but for one."""
    candles = node.candles.last("BTCUSDT", BTC_10M.interval, 60)
    close, times = candles["close"].tolist(), candles["open_time"].tolist()
    answers = []
    for i in range(60 - count, 60):
        then = close[i + 10] if i + 10 < 60 else close[i]
        value = then * (1.05 if i == 45 else 1.0001)
        edges = (-0.001, 0.001, -0.002, 0.002, -0.003, 0.003)
        move = value / close[i] - 1
        bounds = tuple(move + edge for edge in edges)
        answers.append(ServedAnswer(3, BTC_10M, times[i], "20260101T000000Z-abcdef", value, close[i], move, 0.0, 0.01, bounds))
    node.ledger.record(answers)


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


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light")])
def test_axe_finds_no_fault(server: Server, page: Page, size: tuple[int, int], scheme: str) -> None:
    server.node.fill(BTC_10M, ETH_8H, SOL_15M, answer=0.2, intervals=INTERVALS)
    remember(server.node)
    page.look(size, scheme)
    page.open(server.address)
    page.until(lambda: page.chart and page.all(".lineage li"))
    page.find("#in-numbers summary").click()
    assert faults_of(page) == []


def faults_of(page: Page) -> list[Any]:
    """Everything axe is sure of, whatever it thinks of its weight."""
    page.run((package("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.driver.execute_async_script("axe.run(document).then(arguments[0])")
    return [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found["violations"]]


def package(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
