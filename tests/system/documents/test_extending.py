"""docs/extending.md works as it stands: its code is put where it says, in a copy of the node, and tried there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from node.durations import MINUTE_MS
from tests.support.forecasting_candles import START_MS
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/extending.md").read_text()
ROOMS = ("node", "market", "forecasting", "model_store", "updater", "inference", "worker", "simulator", "cli")

_FILE_OR_CODE = re.compile(r"`([\w/.]+\.py)`:\n|```(python|diff)\n(.*?)```", re.DOTALL)


def extend(folder: Path) -> list[Path]:
    """Do what the page says in a copy of the node; the files that were written."""
    written, path = [], folder
    for name, kind, code in _FILE_OR_CODE.findall(PAGE):
        if name:
            path = folder / name
            written.append(path)
        elif kind == "python":
            assert not path.exists(), f"{path} should be new"
            path.write_text(code)
        else:
            path.write_text(changed(path.read_text(), code))
    return written


def changed(text: str, difference: str) -> str:
    """The text with the lines of a difference put in, whose place must be clear."""
    lines = difference.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    assert text.count(before) == 1, f"this should stand in the code once:\n{before}"
    return text.replace(before, "".join(line[1:] for line in lines if line[0] in " +"))


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extended")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "checkpoints"))
    shutil.copytree(ROOT / "tests/support", folder / "tests/support", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests/inference").mkdir()
    shutil.copy(ROOT / "tests/inference/conftest.py", folder / "tests/inference")
    shutil.copy(ROOT / "pyproject.toml", folder)
    extend(folder)
    return folder


def run(folder: Path, *arguments: str, **environment: str) -> str:
    """Standard output of Python in the copy."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


TRAINED = """
import json, sys
import numpy as np
from forecasting.prediction.forecast import forecast
from forecasting.prediction.onnx_session import open_session
from forecasting.training.train import train
from tests.support.paths import ROOT
from node.durations import Duration
from node.topics import Target, Task
from tests.support.forecasting_candles import make_candles

target, model = sys.argv[1:]
candles = make_candles(12_000, seed=3, predictable=0.3)
made = train(Task("ETH", Target(target), Duration.parse("5m")), model, "mse", candles, max_epochs=2)
answer = forecast(open_session(made.graph), made.signature, candles, None)
print(json.dumps({
    "place": sys.modules["forecasting.models"].__file__, "n": made.scores.n, "rmse": made.scores.rmse,
    "baseline_rmse": made.scores.baseline_rmse, "window": made.signature.window, "value": answer.value,
}))
"""


def train(folder: Path, target: str, model: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(run(folder, "-c", TRAINED, target, model))
    assert str(found["place"]).startswith(str(folder))
    return found


def test_the_model_of_the_page_trains_and_forecasts(extended: Path) -> None:
    found = train(extended, "log_return", "patterns")
    assert found["n"] > 500
    assert found["window"] == 16
    assert found["rmse"] <= 1.01 * found["baseline_rmse"]
    assert 0 < abs(found["value"]) < 0.05


def test_the_target_of_the_page_is_trained_and_scored(extended: Path) -> None:
    found = train(extended, "peak", "linear")
    assert found["n"] > 500
    # A peak of five minutes lies near the size of a return of five minutes, and a model knows more of it than a random walk.
    assert 0 < found["rmse"] < found["baseline_rmse"] < 0.05
    assert 0 < found["value"] < 0.05


MEANT = """
import numpy as np
from forecasting.dataset.bars import split_into_runs
from forecasting.dataset.signature import Signature
from forecasting.dataset.targets import compute_targets
from node.durations import Duration, Interval
from node.topics import Target
from tests.support.forecasting_candles import make_candles

candles = make_candles(400, seed=1)
signature = Signature("ETH", Target.PEAK, Duration.parse("5m"), Interval.MINUTE, 1, ())
targets = compute_targets(split_into_runs(candles, Interval.MINUTE)[0].bars, signature)
high, close = candles["high"].to_numpy(), candles["close"].to_numpy()
by_hand = [np.log(high[row + 1 : row + 6].max() / close[row]) for row in range(395)]
np.testing.assert_allclose(targets.actual[:395], by_hand, atol=1e-12)
assert np.isnan(targets.actual[395:]).all()
"""


def test_the_target_of_the_page_means_what_the_page_says(extended: Path) -> None:
    run(extended, "-c", MEANT)


SERVED = """
import math, sys
from pathlib import Path
from node.durations import Duration
from node.topics import Target, Task
from tests.inference.conftest import Node

node = Node(Path(sys.argv[1]), [3])
parameters = {"Token": "ETH", "Target": "peak", "Horizon": "10m"}
node.write_config([], worker=[{"topicId": 4711, "parameters": parameters}])
node.fill(Task("ETH", Target.PEAK, Duration.parse("10m")))
status, value = node.get("/inference/ETH")
assert status == 200, value
print(value)
"""


def test_the_target_of_the_page_is_served(extended: Path, tmp_path: Path) -> None:
    assert 0 < float(run(extended, "-c", SERVED, str(tmp_path)).split()[-1]) < 0.1


REFRESHED = """
import json, sys
from market.candle_store import CandleStore
from market.sources import open_sources
from node.clock import ManualClock
from node.database import open_database
from node.durations import Interval, MINUTE_MS
from node.errors import UnknownSymbolError
from node.environment import Settings

folder, now_ms = sys.argv[1], int(sys.argv[2])
clock = ManualClock(now_ms)
sources = open_sources(Settings(_env_file=None), clock, ["bitstamp"])
store = CandleStore(open_database(f"sqlite:///{folder}/node.db"))
done = sources.refresh(store, "BTCUSDT", Interval.MINUTE, 2_500 * MINUTE_MS)
try:
    sources.refresh(store, "NOPEUSDT", Interval.MINUTE, MINUTE_MS)
except UnknownSymbolError as error:
    unknown = error.message
candles = store.window("BTCUSDT", Interval.MINUTE, 0, now_ms)
exchange = sources.exchanges[0]
exchange.time_ms()
print(json.dumps({
    "have": done.have, "want": done.want, "closes": candles["close"].tolist(), "newest": int(candles["open_time"].max()),
    "unknown": unknown, "reach": exchange.reach(Interval.MINUTE), "silent": exchange.status().silent_seconds,
}))
sources.close()
"""


def test_the_exchange_of_the_page_fills_a_store(extended: Path, httpserver: HTTPServer, tmp_path: Path) -> None:
    now_ms = START_MS + 3_000 * MINUTE_MS + 30_000
    pages = []

    def candles(request: Request) -> Response:
        if "nope" in request.path:
            return Response('{"code": "404", "errors": []}', 404)
        assert (request.args["step"], int(request.args["limit"]) <= 1000) == ("60", True)
        first, last = (int(request.args[name]) for name in ("start", "end"))
        pages.append((first, last))
        times = range(max(first, START_MS // 1000), min(last, now_ms // 60_000 * 60) + 1, 60)
        rows = [
            {"timestamp": str(at), "open": "100", "high": "101", "low": "99", "close": str(close_of(at * 1000)), "volume": "1.5"}
            for at in times[: int(request.args["limit"])]
        ]
        return Response(json.dumps({"data": {"pair": "BTC/USD", "ohlc": rows}}), content_type="application/json")

    httpserver.expect_request(re.compile("/api/v2/ohlc/.*")).respond_with_handler(candles)
    httpserver.expect_request("/api/v2/ticker/btcusd/").respond_with_json({})
    found = json.loads(run(extended, "-c", REFRESHED, str(tmp_path), str(now_ms), BITSTAMP_URL=httpserver.url_for("")))

    newest = START_MS + 2_999 * MINUTE_MS
    assert found["have"] == found["want"] == len(found["closes"]) >= 2_500
    assert found["newest"] == newest
    first = newest - (len(found["closes"]) - 1) * MINUTE_MS
    assert found["closes"] == [close_of(first + number * MINUTE_MS) for number in range(len(found["closes"]))]
    assert len(pages) >= 3
    assert (found["unknown"], found["reach"], found["silent"]) == ("bitstamp has no pair for NOPEUSDT", None, 0)


def close_of(open_time: int) -> float:
    return 100 + (open_time // MINUTE_MS) % 50 / 100


def test_config_takes_what_the_page_adds(extended: Path, tmp_path: Path) -> None:
    topic = {"topicId": 4711, "parameters": {"Token": "ETH", "Target": "peak", "Horizon": "1h", "Model": "patterns"}}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"worker": [topic], "updater": {"sources": ["binance", "bitstamp"]}}))
    shown = json.loads(run(extended, "-m", "cli.main", "config", "check", str(config), "--json"))
    assert [(one["target"], one["model"]) for one in shown] == [("peak", "patterns")]


def test_the_code_of_the_page_is_written_as_the_node_is(extended: Path, tmp_path: Path) -> None:
    files = [name for name, _, _ in _FILE_OR_CODE.findall(PAGE) if name]
    run(extended, "-m", "ruff", "check", "--no-cache", *files)
    run(extended, "-m", "ruff", "format", "--check", "--no-cache", *files)


def test_every_place_that_the_page_names_is_there() -> None:
    for names, file in re.findall(r"^\| ((?:`[\w.]+`(?: and )?)+) (?:in|of the page in) `([\w/.]+)`", PAGE, re.MULTILINE):
        for name in re.findall(r"`([\w.]+)`", names):
            place = ROOT / file
            last = name.rpartition(".")[2]
            assert (place / name).exists() if place.is_dir() else re.search(rf"\b{last}\b", place.read_text()), f"{name} in {file}"


def test_every_file_that_asks_what_the_target_is_stands_in_the_page() -> None:
    """Files of tables for backtests, names and plots aside, a place that is not listed would surprise whoever adds a target."""
    aside = {
        "node/catalogue.py",
        "forecasting/backtesting/report.py",
        "forecasting/backtesting/usual_tasks.py",
        "inference/routes/candles.py",
    }
    asking = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"\bTarget\.[A-Z]", path.read_text())
    }
    said = {file for file in asking if file in PAGE or (Path(file).name in PAGE and str(Path(file).parent) in PAGE)}
    assert asking - said == aside
