"""The witness of `make chaos` notices: each promise is broken here by hand, and each breach has to be seen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from forecasting.live.ledger import Ledger, ServedAnswer
from market.candle_store import CandleStore
from market.candles import COLUMNS
from model_store.layout import task_folder
from model_store.store import ModelStore
from node.clock import ManualClock
from node.database import Heartbeats, open_database
from node.durations import Interval
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.tiny_models import BTC, tiny_graph, tiny_metadata
from tests.system.chaos.invariants import BrokenInvariantError, Witness, check_answer

MINUTE = Interval.MINUTE


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    """Has looked once at a node that has candles, a refused version, a champion, an answer and a heartbeat."""
    clock, market, path = ManualClock(), SyntheticMarket(1, 2), tmp_path / "node.db"
    engine = open_database(f"sqlite:///{path}")
    closed = market.candles("BTCUSDT", MINUTE, clock.now_ms()).between(0, MINUTE.last_closed(clock.now_ms()))
    frame = pd.DataFrame(closed.values, columns=COLUMNS[1:])
    frame.insert(0, "open_time", closed.open_time)
    CandleStore(engine).upsert("BTCUSDT", MINUTE, frame.tail(500))
    store = ModelStore(tmp_path / "models", clock)
    store.publish(BTC, graph=tiny_graph(0.3), weights=b"refused", metadata=tiny_metadata(BTC, 0.3, promoted=False))
    version = store.publish(BTC, graph=tiny_graph(0.1), weights=b"weights", metadata=tiny_metadata(BTC, 0.1)).version
    store.promote(BTC, version, "first")
    made_from = int(closed.open_time[-1])
    Ledger(engine).record([ServedAnswer(3, BTC, made_from, version, 1.0, 1.0, 0.0, 0.0, 1.0)])
    Heartbeats(engine).beat("updater", clock.now_ms(), {"state": "running"})
    engine.dispose()
    found = Witness(path, store.root, market, clock, (BTC,))
    found.look()
    return found


def test_a_sound_node_is_found_sound_and_a_new_version_too(witness: Witness) -> None:
    store = ModelStore(witness.models, witness.clock)
    version = store.publish(BTC, graph=tiny_graph(0.2), weights=b"new", metadata=tiny_metadata(BTC, 0.2)).version
    store.promote(BTC, version, "better")
    witness.look()
    assert len(witness.candles["BTCUSDT", "1m"]) == 500
    assert (len(witness.versions), len(witness.answers)) == (3, 1)


def say(statement: str) -> Callable[[Witness], None]:
    """Said to the database."""

    def to(witness: Witness) -> None:
        with closing(sqlite3.connect(witness.database)) as connection, connection:
            connection.execute(statement)

    return to


def tasks_folder(witness: Witness) -> Path:
    return task_folder(witness.models, BTC)


def champion(witness: Witness) -> Path:
    return tasks_folder(witness) / str(ModelStore(witness.models, witness.clock).champion_version(BTC))


def refused(witness: Witness) -> Path:
    return next(path for path in tasks_folder(witness).iterdir() if path.is_dir() and path != champion(witness))


def damage_the_database(witness: Witness) -> None:
    with witness.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 8)


def half_write_the_pointer(witness: Witness) -> None:
    pointer = tasks_folder(witness) / "champion.json"
    pointer.write_bytes(pointer.read_bytes()[:100])


def point_to_nothing(witness: Witness) -> None:
    pointer = tasks_folder(witness) / "champion.json"
    pointer.write_text(pointer.read_text().replace(champion(witness).name, "20200101T000000Z-abcdef"))


def overwrite_a_version(witness: Witness) -> None:
    manifest = refused(witness) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"seconds": 7.0}))


def leave_many_unfinished(witness: Witness) -> None:
    for number in range(4):
        (tasks_folder(witness) / f".incoming-{number}").mkdir()


BREACHES: dict[str, tuple[str, Callable[[Witness], None]]] = {
    "a damaged database": (r"damaged|malformed", damage_the_database),
    "a lost candle": ("there no more", say("DELETE FROM candles WHERE open_time = (SELECT max(open_time) FROM candles)")),
    "a candle not closed": (
        "not closed yet",
        say("UPDATE candles SET open_time = open_time + 60000 WHERE open_time = (SELECT max(open_time) FROM candles)"),
    ),
    "a candle off the grid": ("grid", say("UPDATE candles SET open_time = open_time + 1 WHERE open_time % 7 = 0")),
    "a candle that cannot be": ("enclose", say("UPDATE candles SET high = low / 2")),
    "a candle of another market": ("not the exchange's", say("UPDATE candles SET volume = volume + 1")),
    "no candles at all": ("has gone", say("DROP TABLE candles")),
    "a lost answer": ("there no more", say("DELETE FROM answers")),
    "an answer given anew": ("has changed", say("UPDATE answers SET value = 2")),
    "an answer from nowhere": ("never there", say("INSERT INTO answers SELECT 4, made_from, for_when, token, target, horizon, "
        "'20200101T000000Z-abcdef', value, last_price, forecast, baseline, scale, 0, 0, 0, 0, 0, 0 FROM answers")),
    "half a heartbeat": ("cut off", say("UPDATE heartbeats SET body = substr(body, 1, 5)")),
    "half a pointer": ("pointer of .* is damaged", half_write_the_pointer),
    "a pointer to nothing": ("does not verify", point_to_nothing),
    "a lost pointer": ("has gone", lambda witness: (tasks_folder(witness) / "champion.json").unlink()),
    "half a version": ("not whole", lambda witness: (refused(witness) / "model.onnx").unlink()),
    "an overwritten version": ("has been changed", overwrite_a_version),
    "leftovers that pile up": ("pile up", leave_many_unfinished),
    "leftovers of no known kind": ("nobody clears", lambda witness: (tasks_folder(witness) / ".tmp").mkdir()),
}  # fmt: skip


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_seen(witness: Witness, breach: str) -> None:
    said, break_it = BREACHES[breach]
    break_it(witness)
    with pytest.raises((BrokenInvariantError, sqlite3.DatabaseError), match=said):
        witness.look()


REFUSAL = json.dumps({"error": {"code": "not_ready", "message": "no model yet", "hint": "wait"}})


def test_a_decimal_and_the_documented_refusal_are_answers() -> None:
    for number in ("2494.44", "-0.00031", "0", "17"):
        check_answer(200, {}, number)
    check_answer(503, {"Retry-After": "2"}, REFUSAL)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {}, "nan"),
        (200, {}, "1e5"),
        (200, {}, ""),
        (200, {}, "1" * 400),
        (200, {}, '"2494.44"'),
        (500, {}, "Internal Server Error"),
        (404, {}, REFUSAL),
        (503, {}, REFUSAL),
        (503, {"Retry-After": "2"}, "<html>"),
        (503, {"Retry-After": "2"}, '{"error": "not ready"}'),
        (503, {"Retry-After": "2"}, REFUSAL.replace("not_ready", "broken")),
    ],
)
def test_anything_else_is_not(status: int, headers: dict[str, str], body: str) -> None:
    with pytest.raises(BrokenInvariantError):
        check_answer(status, headers, body)
