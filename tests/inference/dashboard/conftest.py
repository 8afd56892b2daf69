"""A real headless Chromium before a real server; the node behind it is that of the tests of inference."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from forecasting.live.ledger import ServedAnswer
from node.clock import SystemClock
from tests.inference.conftest import BTC_10M, BTC_24H, ETH_8H, INTERVALS, SOL_15M, Node

SECONDS = 30
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
WIDE, NARROW = (1280, 900), (360, 740)
TASKS = (BTC_10M, BTC_24H, ETH_8H, SOL_15M)


class Page:
    """What a person sees and does."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        self.look()

    def look(self, size: tuple[int, int] = WIDE, scheme: str = "light") -> None:
        """Through a window of this size, on a system with this scheme of colours."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == NARROW}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme_wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme_wanted)

    def open(self, address: str) -> None:
        self.driver.get(address)

    def until(self, condition: Callable[[], Any]) -> Any:
        try:
            return WebDriverWait(self.driver, SECONDS, poll_frequency=0.05).until(lambda _: condition())
        except TimeoutException:
            raise AssertionError(f"waited in vain before a page that says: {self.text('main')}") from None

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Also where it is folded away."""
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    @property
    def headline(self) -> str:
        return self.text("#headline-title")

    @property
    def chart(self) -> str:
        """What the chart shows, in words; empty while nothing is drawn."""
        drawn = self.run("return document.getElementById('chart').dataset.drawn === 'yes'")
        return str(self.find("#chart").get_attribute("aria-label")) if drawn else ""

    def lines(self, place: str = "chart") -> list[dict[str, Any]]:
        """What plotly was given to draw."""
        return list(self.run("return document.getElementById(arguments[0]).data ?? []", place))

    def pick(self, topic: int) -> None:
        self.find(f"#topic-{topic}").click()

    def errors(self) -> list[str]:
        """What the browser's console complained of since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    operator = shutil.which("chromedriver")
    if browser is None or operator is None:
        pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = browser
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(operator))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: webdriver.Chrome) -> Iterator[Page]:
    """A page that must not have complained of anything when the test ends."""
    page = Page(driver)
    page.errors()
    yield page
    complaints = page.errors()
    driver.get("about:blank")
    assert complaints == []


class Quiet(WSGIRequestHandler):
    """Requests are not news here."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class Server:
    """The node's application on a port of its own; it can fall silent and come back."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.port = 0
        self._server: BaseWSGIServer | None = None
        self.start()

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self.node.client.application, threaded=True, request_handler=Quiet)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Topics 3 (BTC price 10m), 69 (BTC price 24h), 84 (ETH log return 8h) and 82 (SOL volatility 15m) at the present moment."""
    now_ms = SystemClock().now_ms()
    node = Node(tmp_path, [3, 69, 84, 82], now_ms - now_ms % 60_000 + 20_000)
    server = Server(node)
    yield server
    server.stop()
    node.engine.dispose()


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
