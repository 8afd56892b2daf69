"""`allora-node check` over real simulators: every trouble has its name, its mend and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from prometheus_client import CollectorRegistry
from pytest_httpserver import HTTPServer

from cli.check import check
from cli.checks.check_result import CheckResult, State, ok, run_all
from market.candle_store import CandleStore
from model_store.store import ModelStore
from node.clock import Clock, ManualClock, SystemClock
from node.database import open_database
from node.health import Check, StatusServer
from simulator.chain.others import OtherWorkers
from simulator.exchange.synthetic import SyntheticMarket
from tests.cli.test_command import allora_node
from tests.support.exchange_server import running_exchange
from tests.support.ports import free_port
from tests.support.tiny_models import BTC, tiny_graph, tiny_metadata
from tests.worker.conftest import RunningChain, wait_until

RunChain = Callable[..., RunningChain]


class Surroundings:
    """A node's folder and the environment that points there; nothing runs yet."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.monkeypatch, self.capsys = folder, monkeypatch, capsys
        self.environment = {
            "CONFIG_FILE": str(folder / "config.json"),
            "DATABASE_URL": f"sqlite:///{folder}/node.db",
            "MODEL_STORE": str(folder / "models"),
            "EXCHANGE_URLS": f"http://127.0.0.1:{free_port()}",
            "INFERENCE_URL": f"http://127.0.0.1:{free_port()}",
            "UPDATER_PORT": str(free_port()),
            "WORKER_PORT": str(free_port()),
            "CHAIN_GRPC_URL": f"grpc+http://127.0.0.1:{free_port()}",
            "CHAIN_ID": "localnet",
        }
        self.configure(3)

    def configure(self, *topics: int, **wallet: Any) -> None:
        content = {"worker": [{"topicId": number} for number in topics], "wallet": wallet}
        (self.folder / "config.json").write_text(json.dumps(content))

    def check(self, *, strict: bool = False) -> tuple[int, dict[str, dict[str, str]]]:
        """Exit code, and what was found by name. In this process, because a new one takes seconds to import everything."""
        for name, value in self.environment.items():
            self.monkeypatch.setenv(name, value)
        with pytest.raises(typer.Exit) as ended:
            check(timeout=60, strict=strict, as_json=True)
        said = self.capsys.readouterr().out
        # Before it lie lines of log that the test's own work has written.
        found = json.loads(said[said.index("[\n") :])
        return ended.value.exit_code, {result["name"]: result for result in found}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Surroundings:
    return Surroundings(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with running_exchange(SyntheticMarket(seed=1, days=2), SystemClock()) as url:
        yield url


def test_before_the_first_start_nothing_is_wrong_and_what_is_missing_is_not_there_yet(
    node: Surroundings, exchange: str, run_chain: RunChain
) -> None:
    node.environment |= {"EXCHANGE_URLS": exchange} | run_chain(3).environment
    code, found = node.check()
    assert code == 0, found
    states = {name: result["state"] for name, result in found.items()}
    well = ("config", "exchange binance", "clock", "pairs", "wallet", "chain", "topics")
    assert {states[name] for name in well} == {"ok"}
    assert {states[name] for name in ("database", "model store", "updater", "inference", "worker")} == {"not yet"}
    assert "request weight" in found["exchange binance"]["detail"]
    assert node.check(strict=True)[0] == 1


def test_with_nothing_reachable_every_failure_has_its_mend(node: Surroundings) -> None:
    node.configure(3, submitTx=True, mnemonicFile=str(node.folder / "mnemonic"))
    code, found = node.check()
    assert code == 1
    assert {name for name in found if found[name]["state"] == "failed"} >= {"exchange binance", "wallet", "chain"}
    assert all(result["hint"] for result in found.values() if result["state"] in {"failed", "not yet"})
    assert "EXCHANGE_URLS" in found["exchange binance"]["hint"]
    assert "wallet new" in found["wallet"]["hint"]


def test_a_wrong_config_is_said_with_exit_code_two(node: Surroundings) -> None:
    (node.folder / "config.json").write_text("{")
    done = allora_node("check", **node.environment)
    assert (done.returncode, "is not JSON" in done.stderr) == (2, True)


def test_a_clock_that_is_wrong_is_told_from_a_slow_exchange(node: Surroundings) -> None:
    behind: Clock = ManualClock(SystemClock().now_ms() - 60_000)
    with running_exchange(SyntheticMarket(seed=1, days=2), behind) as url:
        node.environment["EXCHANGE_URLS"] = url
        code, found = node.check()
    assert (code, found["clock"]["state"]) == (1, "failed")
    assert "timedatectl" in found["clock"]["hint"]
    assert found["exchange binance"]["state"] == "ok"


def test_a_pair_that_no_source_has_is_named(node: Surroundings, exchange: str) -> None:
    node.environment["EXCHANGE_URLS"] = exchange
    node.configure(3, 60)
    assert "XAUUSDT" in node.check()[1]["pairs"]["detail"]


def test_an_empty_wallet_and_a_topic_the_chain_does_not_have_are_found(node: Surroundings, run_chain: RunChain) -> None:
    node.environment |= run_chain(3).environment
    words = node.folder / "mnemonic"
    assert allora_node("wallet", "new", "--file", str(words), **node.environment).returncode == 0
    node.configure(3, 14, submitTx=True, mnemonicFile=str(words))
    _, found = node.check()
    assert (found["wallet"]["state"], found["topic 14"]["state"]) == ("ok", "failed")
    assert found["registration"]["state"] == "not yet"
    words.chmod(0o644)
    assert "chmod 600" in node.check()[1]["wallet"]["hint"]


def test_an_answer_in_another_unit_than_the_others_is_found(
    node: Surroundings, run_chain: RunChain, httpserver: HTTPServer
) -> None:
    async def prices(_: str, start_ms: int, end_ms: int) -> dict[int, float]:
        return dict.fromkeys(range(start_ms, end_ms + 1, 60_000), 73984.0)

    chain = run_chain(3, others=OtherWorkers(5, prices))
    node.environment |= chain.environment | {"INFERENCE_URL": httpserver.url_for("").rstrip("/")}
    httpserver.expect_request("/inference/BTC").respond_with_data("73984.23")
    wait_until(lambda: chain.state.topics[3].settled(chain.state.height, chain.state.time_ms))
    found = node.check()[1]["beside the network"]
    assert (found["state"], "73984.2, the median of 5 other workers" in found["detail"]) == ("ok", True)
    httpserver.clear()
    httpserver.expect_request("/inference/BTC").respond_with_data("739.8423")
    code, everything = node.check()
    assert (code, everything["topic 3 beside the network"]["state"]) == (1, "failed")
    assert "hundredth" in everything["topic 3 beside the network"]["detail"]


def test_a_damaged_champion_and_a_database_that_is_none_are_found(node: Surroundings) -> None:
    engine = open_database(node.environment["DATABASE_URL"])
    CandleStore(engine)
    engine.dispose()  # or its journal would mend what is damaged below
    store = ModelStore(node.folder / "models", SystemClock())
    version = store.publish(BTC, graph=tiny_graph(0.1), weights=b"w", metadata=tiny_metadata(BTC, 0.1)).version
    store.promote(BTC, version, "better")
    _, found = node.check()
    assert (found["database"]["state"], found["model store"]["state"]) == ("ok", "ok")
    (store.load(BTC, version).folder / "model.onnx").write_bytes(b"rot")
    (node.folder / "node.db").write_bytes(b"no database at all" * 100)
    _, found = node.check()
    assert (found["database"]["state"], found[f"model store: {BTC}"]["state"]) == ("failed", "failed")


def test_a_running_process_says_itself_what_is_wrong(node: Surroundings) -> None:
    bad = [Check("loop train", False, "ended", "Restart the updater."), Check("loop follow", True)]
    server = StatusServer("127.0.0.1", 0, lambda: bad, CollectorRegistry())
    server.start()
    try:
        node.environment["UPDATER_PORT"] = str(server.port)
        found = node.check()[1]
        assert found["updater: loop train"] == {
            "name": "updater: loop train", "state": "failed", "detail": "ended", "hint": "Restart the updater."
        }  # fmt: skip
        bad.pop(0)
        assert node.check()[1]["updater"]["state"] == "ok"
    finally:
        server.stop()


def test_what_is_not_installed_is_skipped_and_the_rest_is_looked_at(node: Surroundings) -> None:
    code = "import sys; sys.modules['allora_sdk'] = sys.modules['onnxruntime'] = None; from cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "--json"],
        env=os.environ | node.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {result["name"]: result for result in json.loads(done.stdout)}
    assert found["model store"]["state"] == found["wallet, chain and balance"]["state"] == "skipped"
    assert "onnxruntime" in found["model store"]["detail"]
    assert "disk: models" in found


def test_looks_run_at_the_same_time_and_one_that_hangs_is_a_failure_of_its_own() -> None:
    both = threading.Barrier(2, timeout=10)

    def meets(name: str) -> list[CheckResult]:
        both.wait()
        return ok(name)

    def hangs() -> list[CheckResult]:
        threading.Event().wait(30)
        return []

    probes = {"one": lambda: meets("one"), "hanging": hangs, "two": lambda: meets("two")}
    states = {result.name: result.state for result in run_all(probes, 1.0)}
    assert states == {"one": State.OK, "hanging": State.FAILED, "two": State.OK}
