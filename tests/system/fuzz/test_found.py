"""What the fuzzer has found, byte for byte as far as it matters: each was an error that was none of the node's own, or worse."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from market.archive.rows import read_rows
from node.durations import Interval
from node.errors import BadMarketDataError
from tests.system.fuzz.archive import PERIOD
from tests.system.fuzz.targets import TARGETS
from tests.system.fuzz.wire import HOUR_FILE

OK = b"HTTP/1.1 200 OK\r\n\r\n"
DIGITS = "9" * 10_000
MANY = 10**400


def config(**changes: object) -> bytes:
    return json.dumps({"worker": [{"topicId": 1}]} | changes).encode()


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The first seed of a target, which is JSON, with a change."""
    content = json.loads(TARGETS[name].seeds()[0])
    change(content)
    return json.dumps(content).encode()


def with_a_long_name() -> bytes:
    """A zip whose one file says that its name goes on to the end."""
    content = TARGETS["zip"].seeds()[0]
    return content[:26] + (60_000).to_bytes(2, "little") + content[28:]


REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "half a character in Kraken's error": ("kraken", lambda: OK + b'{"error": ["\\ud800"]}'),
    "Kraken's error is a number": ("kraken", lambda: OK + b'{"error": 5}'),
    "half a character in Binance's message": ("binance", lambda: b'HTTP/1.1 400 Bad\r\n\r\n{"code": -1, "msg": "\\ud800"}'),
    "an infinite time": ("rows", lambda: b"1e999," * 11 + b"0\n"),
    "a name without end": ("zip", with_a_long_name),
    "a topic that is a list": ("config", lambda: config(worker=[{"topicId": []}])),
    "addresses that are a number": ("config", lambda: config(wallet={"nodeRpcs": 5, "nodeGrpcs": 5})),
    "a number of ten thousand digits": ("config", lambda: config().replace(b"1", DIGITS.encode())),
    "half a character in a name": ("config", lambda: config(wallet={"chainId": "\ud800"})),
    "an infinite price of gas": ("config", lambda: config(wallet={"gasPrices": float("inf")})),
    "made later than any date": ("manifest", lambda: changed("manifest", lambda content: content.update(created_ms=MANY))),
    "a score of too many digits": (
        "manifest",
        lambda: changed("manifest", lambda content: content["scores"].update(skill=MANY)),
    ),
    "a leader that is a number": ("manifest", lambda: changed("manifest", lambda content: content["signature"].update(leader=5))),
    "a leader that is a list": ("manifest", lambda: changed("manifest", lambda content: content["signature"].update(leader=[]))),
    "promoted later than any date": ("pointer", lambda: changed("pointer", lambda content: content.update(promoted_ms=MANY))),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_fuzzer_found_is_refused_in_the_node_s_own_words(what: str, tmp_path: Path) -> None:
    name, make = REFUSED[what]
    with TARGETS[name].prepare(tmp_path) as check:
        assert not check(make())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_another_method_is_refused_before_it_grows(method: int) -> None:
    """Python unpacks these at once, however little of them is asked for: a file of kilobytes became gigabytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive, archive.open(f"{HOUR_FILE}.csv", "w") as member:
        for _ in range(40):
            member.write(bytes(1_000_000))
    assert len(file.getvalue()) < 10_000
    tracemalloc.start()
    try:
        with pytest.raises(BadMarketDataError, match="compressed in a way"):
            read_rows(file.getvalue(), HOUR_FILE, Interval.HOUR, PERIOD.start_ms, PERIOD.end_ms)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
