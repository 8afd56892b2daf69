"""How soon the dashboard shows something, beside the least page that draws one line with the same library in the same browser.

Every round is a new browser with nothing in its cache, before a real server process on loopback. The goal is two seconds until the
first topic's chart stands, words and all.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait
from serving import free_port, prepare, served

from inference.routes.dashboard_library import Library

GOAL_SECONDS = 2.0
ROUNDS = 5
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run")
WORDS = "document.getElementById('headline')?.dataset.level === 'good'"
CHART = "document.getElementById('chart')?.dataset.drawn === 'yes'"
BARE_PAGE = b"""<!doctype html><div id="chart"></div><script src="plotly.js"></script><script>
Plotly.newPlot("chart", [{y: [1, 2]}]).then((chart) => { chart.dataset.drawn = "yes"; });</script>"""


class BareHandler(BaseHTTPRequestHandler):
    """The bare page, and the library for it."""

    def do_GET(self) -> None:
        content = Library().path.read_bytes() if self.path == "/plotly.js" else BARE_PAGE
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if self.path == "/plotly.js" else "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def bare_server() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BareHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def view(port: int, conditions: tuple[str, ...]) -> list[float]:
    """Seconds from the click to each of `conditions`, in a browser of its own."""
    options = Options()
    options.binary_location = str(shutil.which("chromium"))
    for option in OPTIONS:
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        # Asked in the page before every frame, so that the asking costs next to nothing.
        watch = "".join(
            f"(function ask() {{ if ({condition}) seen[{i}] = performance.now(); else requestAnimationFrame(ask); }})();"
            for i, condition in enumerate(conditions)
        )
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": f"window.seen = []; {watch}"})
        driver.get(f"http://127.0.0.1:{port}/")
        everything = f"return seen.filter((time) => time).length === {len(conditions)} && seen"
        seen: list[float] = WebDriverWait(driver, 30, poll_frequency=0.2).until(lambda each: each.execute_script(everything))
        return [time / 1000 for time in seen]
    finally:
        driver.quit()


def main() -> None:
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        sys.exit("There is no Chromium here; apt-get install chromium chromium-driver brings it.")
    with tempfile.TemporaryDirectory() as folder, get_context("spawn").Pool(1) as other:
        environment = other.apply(prepare, (Path(folder),))
        port = free_port()
        command = [sys.executable, "-m", "inference"]
        with served(command, port, environment | {"INFERENCE_PORT": str(port)}, "/inference/BTC"), bare_server() as bare:
            dashboard = [view(port, (WORDS, CHART)) for _ in range(ROUNDS)]
            least = [view(bare, (CHART,)) for _ in range(ROUNDS)]
    rows = {
        "the dashboard's words": [words for words, _ in dashboard],
        "the dashboard's chart": [chart for _, chart in dashboard],
        "the least page's line": [line for (line,) in least],
    }
    table = Table("first view", "median", "slowest", title="first view in an empty browser, seconds")
    for name, seconds in rows.items():
        table.add_row(name, f"{median(seconds):.2f}", f"{max(seconds):.2f}")
    console = Console()
    console.print(table)
    chart = median(rows["the dashboard's chart"])
    decision = "reached" if chart <= GOAL_SECONDS else "missed"
    console.print(f"goal: words and chart within {GOAL_SECONDS:.0f} s: {decision} ({chart:.2f} s)")


if __name__ == "__main__":
    main()
