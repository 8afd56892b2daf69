"""The watcher notices what changed, computes that and nothing else, and outlives what fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from inference.answers import forecaster
from inference.answers.snapshot import Answer
from inference.answers.watcher import MarketData, Watcher
from market.candle_store import CandleStore
from node.config import ConfigFile
from node.database import open_database
from node.topics import Task
from tests.inference.conftest import BTC_10M, BTC_24H, ETH_8H, Node


@pytest.fixture
def forecasts(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Tasks in the order in which forecasts were made for them."""
    made: list[Task] = []
    original = forecaster.forecast

    def counted(session: object, signature: object, *rest: object) -> object:
        made.append(signature.task)  # type: ignore[attr-defined]
        return original(session, signature, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(forecaster, "forecast", counted)
    return made


def test_nothing_is_computed_twice(node: Node, forecasts: list[Task]) -> None:
    node.fill(BTC_10M, ETH_8H)
    before = node.current.snapshot
    for _ in range(3):
        node.clock.advance(1)
        node.watcher.poll()
    assert forecasts == [BTC_10M, ETH_8H]
    assert node.current.snapshot is before


def test_a_new_candle_is_followed_by_the_topics_that_read_it_alone(node: Node, forecasts: list[Task]) -> None:
    node.fill(BTC_10M, BTC_24H, ETH_8H)
    forecasts.clear()
    node.clock.advance(60)
    node.store_candles(BTC_10M, last_close=65_000.0)
    node.watcher.poll()
    assert forecasts == [BTC_10M, BTC_24H]
    assert node.get("/inference/BTC") == (200, "65000.0")


def test_a_new_champion_is_followed_at_the_next_look(node: Node) -> None:
    node.fill(BTC_10M, answer=0.0)
    first = node.get("/inference/BTC")
    version = node.promote(BTC_10M, 0.5)
    assert node.get("/inference/BTC") == first
    node.watcher.poll()
    assert node.get("/inference/BTC") != first
    champion = node.current.snapshot.states[0].champion
    assert champion is not None
    assert champion.version == version
    node.models.rollback(BTC_10M)
    node.watcher.poll()
    assert node.get("/inference/BTC") == first


def test_two_topics_of_one_model_share_its_forecast(node: Node, forecasts: list[Task]) -> None:
    node.write_config([64, 83, 65])
    node.watcher.poll()
    task = node.current.snapshot.states[0].topic.task
    node.fill(task)
    assert forecasts == [task]
    assert [node.get(f"/inference/BTC?topic={number}")[0] for number in (64, 83, 65)] == [200] * 3


def test_a_damaged_champion_is_replaced_by_the_one_before_and_looked_at_again_later(node: Node) -> None:
    node.fill(BTC_10M, answer=0.1)
    first = node.models.champion_version(BTC_10M)
    second = node.promote(BTC_10M, 0.2)
    graph = node.models.root / "BTC" / "price-10m" / second / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(b"damaged")
    node.watcher.poll()
    assert [state.champion.version for state in node.current.snapshot.states if state.champion] == [first]
    graph.write_bytes(whole)
    node.clock.advance(11)
    node.watcher.poll()
    assert [state.champion.version for state in node.current.snapshot.states if state.champion] == [second]


def test_topics_come_and_go_with_the_config_without_a_restart(node: Node, forecasts: list[Task]) -> None:
    node.fill(BTC_10M)
    node.write_config([84, 3])
    node.fill(ETH_8H)
    assert [state.topic.id for state in node.current.snapshot.states] == [84, 3]
    assert node.get("/inference/ETH")[0] == 200
    assert node.get("/inference/SOL")[0] == 404
    assert forecasts == [BTC_10M, ETH_8H], "the model that stayed was not asked again"


def test_a_bad_edit_changes_nothing(node: Node) -> None:
    node.fill(BTC_10M)
    node.config_path.write_text('{"worker": []}')
    with capture_logs() as logs:
        node.watcher.poll()
    assert [entry["event"] for entry in logs] == ["config refused, the last good one stays in force"]
    assert node.get("/inference/BTC")[0] == 200


def watcher_over(node: Node, open_data: Callable[[], MarketData]) -> Watcher:
    return Watcher(
        config=ConfigFile(node.config_path),
        inference_url="http://localhost",
        open_data=open_data,
        models=node.models,
        current=node.current,
        clock=node.clock,
        metrics=node.metrics,
    )


def test_a_database_that_comes_late_is_waited_for(node: Node) -> None:
    node.store_candles(BTC_10M)
    node.promote(BTC_10M, 0.0)
    attempts = []

    def open_data() -> MarketData:
        attempts.append(1)
        if len(attempts) < 3:
            raise OperationalError("connect", {}, Exception("not there yet"))
        return MarketData(node.candles, node.heartbeats, node.ledger)

    watcher = watcher_over(node, open_data)
    with capture_logs() as logs:
        for _ in range(3):
            watcher.poll_safely()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "looking at candles and models failed, answers will run out"
    ], "logged once, not at every poll"
    assert node.get("/inference/BTC")[0] == 200


def test_a_database_that_goes_away_leaves_answers_until_they_run_out(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.fill(BTC_10M)

    def gone(*_: object) -> int:
        raise OperationalError("select", {}, Exception("disk I/O error"))

    monkeypatch.setattr(node.candles, "newest", gone)
    monkeypatch.setattr(node.candles, "last", gone)
    node.watcher.poll_safely()
    assert node.get("/inference/BTC")[0] == 200
    node.clock.advance(181)
    node.watcher.poll_safely()
    assert node.get("/inference/BTC")[0] == 503


def test_a_disk_that_does_not_answer_holds_up_no_request(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.fill(BTC_10M)
    original, begun, answered = node.candles.newest, threading.Event(), threading.Event()

    def slow(*arguments: object) -> int | None:
        begun.set()
        answered.wait(20)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(node.candles, "newest", slow)
    polling = threading.Thread(target=node.watcher.poll_safely)
    polling.start()
    try:
        assert begun.wait(10)
        assert node.get("/inference/BTC") == (200, "64000.5")
        node.clock.advance(181)
        assert node.get("/inference/BTC")[0] == 503
        ready = node.client.get("/health/ready")
        assert ready.status_code == 503
        assert any(not check["ok"] and check["name"] == "watcher" for check in ready.get_json()["checks"])
    finally:
        answered.set()
        polling.join()
    node.store_candles(BTC_10M)
    node.watcher.poll_safely()
    assert node.get("/inference/BTC")[0] == 200


def test_a_database_of_garbage_is_no_answer_and_ends_nothing(node: Node) -> None:
    node.promote(BTC_10M, 0.0)
    (node.folder / "garbage.db").write_bytes(bytes(range(256)) * 64)

    def open_data() -> MarketData:
        engine = open_database(f"sqlite:///{node.folder}/garbage.db")
        return MarketData(CandleStore(engine), node.heartbeats, node.ledger)

    watcher = watcher_over(node, open_data)
    with capture_logs() as logs:
        watcher.poll_safely()
    assert "looking at candles and models failed, answers will run out" in [entry["event"] for entry in logs]
    assert node.get("/inference/BTC")[0] == 503


def test_requests_see_whole_snapshots_while_champions_change(node: Node) -> None:
    """Every answer read while fifty champions follow one another is the answer of one of them, in the order of promotion."""
    node.fill(BTC_10M, answer=0.0)
    answers = {node.get("/inference/BTC")[1]: 0}
    done = threading.Event()
    seen: list[list[str]] = [[], [], []]
    faults: list[BaseException] = []

    def read(bodies: list[str]) -> None:
        client = node.client.application.test_client()
        try:
            while not done.is_set():
                response = client.get("/inference/BTC")
                assert response.status_code == 200
                bodies.append(response.get_data(as_text=True))
                time.sleep(0.0005)  # or the writer, in the same process here, would hardly get its turn
        except BaseException as error:
            faults.append(error)

    readers = [threading.Thread(target=read, args=(bodies,)) for bodies in seen]
    for reader in readers:
        reader.start()
    try:
        for number in range(1, 51):
            node.promote(BTC_10M, number / 100)
            node.watcher.poll()
            outcome = node.current.snapshot.states[0].outcome
            assert isinstance(outcome, Answer)
            answers[outcome.body.decode()] = number
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert faults == []
    for bodies in seen:
        order = [answers[body] for body in bodies]
        assert order == sorted(order)
    assert len({body for bodies in seen for body in bodies}) > 5
