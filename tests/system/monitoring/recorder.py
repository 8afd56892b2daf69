"""Records what Prometheus would see of a real node, in normal running and in each trouble that an alert is for.

    python -m tests.system.monitoring.recorder            # everything, a quarter of an hour
    python -m tests.system.monitoring.recorder low_balance worker_down

Each scenario starts the real processes on a simulated exchange and chain and scrapes them every fifteen seconds, as
deploy/prometheus/prometheus.yml does. What it saw is written to recordings/NAME.json: for each series its value at each scrape,
null where there was none. `disk_full` needs the right to mount a small file system.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from forecasting.live.ledger import Ledger, ServedAnswer
from market.candle_store import CandleStore
from node.config import load_config
from node.database import open_database
from node.durations import MINUTE_MS, Interval
from tests.system.monitoring.running_node import RunningNode, Scrape, is_serving

FOLDER = Path(__file__).parent / "recordings"
STEP_SECONDS = 15
LEFT_OUT = ("_bucket{", "_created{", "_process_")
"""Told by no alert, and most of the volume."""


def watch(node: RunningNode, minutes: float) -> list[Scrape]:
    """Scrapes at Prometheus's pace."""
    scrapes = []
    for _ in range(math.ceil(minutes * 60 / STEP_SECONDS)):
        begun = time.monotonic()
        scrapes.append(node.scrape())
        time.sleep(max(0.0, STEP_SECONDS - (time.monotonic() - begun)))
    return scrapes


@contextmanager
def serving_node(models: Path | None = None) -> Iterator[RunningNode]:
    """A node that answers every topic."""
    with tempfile.TemporaryDirectory(prefix="recorder-") as folder:
        node = RunningNode(Path(folder), models)
        try:
            node.start("exchange", "updater", "inference", "worker")
            node.wait_for(is_serving)
            yield node
        finally:
            node.close()


def normal() -> list[Scrape]:
    """From the first start on: empty disk, history, training, answers, submissions."""
    with tempfile.TemporaryDirectory(prefix="recorder-") as folder:
        node = RunningNode(Path(folder))
        try:
            node.start("exchange", "updater", "inference", "worker")
            return watch(node, 8)
        finally:
            node.close()


def exchange_down() -> list[Scrape]:
    """The exchange answers 500 to everything."""
    with serving_node() as node:
        before = watch(node, 0.5)
        node.fail("http_500")
        return before + watch(node, 6)


def exchange_bans() -> list[Scrape]:
    """The exchange answers 418 to everything."""
    with serving_node() as node:
        before = watch(node, 0.5)
        node.fail("http_418")
        return before + watch(node, 2.5)


def exchange_refuses() -> list[Scrape]:
    """The exchange's only address answers 451."""
    with serving_node() as node:
        before = watch(node, 0.5)
        node.fail("http_451")
        return before + watch(node, 2.5)


def no_champion() -> list[Scrape]:
    """The models are gone, and the updater that could train them again is gone too."""
    with serving_node() as node:
        before = watch(node, 0.5)
        node.kill("updater")
        shutil.rmtree(node.models)
        return before + watch(node, 1)


def skill_lost() -> list[Scrape]:
    """For two days the answers of one topic lay on the wrong side of what came, twice as far off as the baseline."""
    with serving_node() as node:
        before = watch(node, 0.5)
        node.kill("inference", "updater")
        _answer_wrongly(node, minutes=2 * 1440)
        node.start("updater", "inference")
        return before + watch(node, 2.5)


def submissions_failing() -> list[Scrape]:
    """Inference has crashed: there is nothing to submit."""
    with serving_node() as node:
        before = watch(node, 0.5)
        node.kill("inference")
        return before + watch(node, 1.5)


def unit_suspected() -> list[Scrape]:
    """The network's other workers answer a hundred times as much as this node."""
    with serving_node() as node:
        before = watch(node, 0.5)
        node.play_others(100.0)
        return before + watch(node, 2)


def chain_lost() -> list[Scrape]:
    """The chain's node is gone."""
    with serving_node() as node:
        before = watch(node, 0.5)
        node.chain.script("restart", seconds=120.0)
        return before + watch(node, 1.5)


def low_balance() -> list[Scrape]:
    """The wallet holds next to nothing."""
    with serving_node() as node:
        before = watch(node, 0.5)
        node.set_balance(99_000_000)
        return before + watch(node, 1.5)


def disk_full() -> list[Scrape]:
    """The disk under the model store fills up to nine parts of ten and more."""
    with tempfile.TemporaryDirectory(prefix="recorder-disk-") as disk:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], check=True)
        try:
            with serving_node(Path(disk) / "models") as node:
                before = watch(node, 0.5)
                (Path(disk) / "something else").write_bytes(bytes(shutil.disk_usage(disk).free - 3_000_000))
                return before + watch(node, 1)
        finally:
            subprocess.run(["umount", disk], check=True)


def updater_down() -> list[Scrape]:
    return _down("updater")


def worker_down() -> list[Scrape]:
    return _down("worker")


def _down(name: str) -> list[Scrape]:
    with serving_node() as node:
        before = watch(node, 0.5)
        node.kill(name)
        return before + watch(node, 1)


def _answer_wrongly(node: RunningNode, minutes: int) -> None:
    """Fill the ledger of the first topic, a price in ten minutes, with answers whose error is twice that of the last price."""
    engine = open_database(node.environment["DATABASE_URL"])
    topic = load_config(node.folder / "config.json").topics("http://localhost")[0]
    steps = topic.task.horizon.ms // MINUTE_MS
    candles = CandleStore(engine).last(topic.task.symbol, Interval.MINUTE, minutes)
    times, closes = candles["open_time"].tolist(), candles["close"].tolist()
    answers = []
    for open_time, close, then in zip(times, closes, closes[steps:], strict=False):
        wrong = -math.log(then / close)
        version = "20260101T000000Z-000000"
        value = close * math.exp(wrong)
        answers.append(ServedAnswer(topic.id, topic.task, open_time, version, value, close, wrong, baseline=0.0, scale=0.001))
    Ledger(engine).record(answers)


SCENARIOS: dict[str, Callable[[], list[Scrape]]] = {
    scenario.__name__: scenario
    for scenario in (
        normal,
        exchange_down,
        exchange_bans,
        exchange_refuses,
        no_champion,
        skill_lost,
        submissions_failing,
        unit_suspected,
        chain_lost,
        low_balance,
        disk_full,
        updater_down,
        worker_down,
    )
}


def write(name: str, scrapes: list[Scrape]) -> None:
    """One line per series, so that a person can read it."""
    names = sorted({series for scrape in scrapes for series in scrape if not any(part in series for part in LEFT_OUT)})
    lines = [f"    {json.dumps(series)}: {json.dumps([_plain(scrape.get(series)) for scrape in scrapes])}" for series in names]
    about = json.dumps((SCENARIOS[name].__doc__ or f"The {name.partition('_')[0]} has crashed.").strip())
    text = f'{{\n  "about": {about},\n  "step_seconds": {STEP_SECONDS},\n  "series": {{\n' + ",\n".join(lines) + "\n  }\n}\n"
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(text)


def _plain(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return int(value) if value is not None and value == int(value) else value
    return str(value)


def main() -> None:
    """Record the scenarios named, or all, a few at a time."""
    wanted = sys.argv[1:] or list(SCENARIOS)
    room = threading.Semaphore(5)

    def record(name: str) -> None:
        with room:
            print(f"recording {name}", flush=True)
            write(name, SCENARIOS[name]())
            print(f"recorded {name}", flush=True)

    threads = [threading.Thread(target=record, args=(name,)) for name in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
