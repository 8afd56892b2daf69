"""Two processes write the same ledger and are killed in the middle of it: what was acknowledged is there, whole and once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from forecasting.live.ledger import Ledger
from node.database import open_database
from node.durations import MINUTE_MS
from tests.support.ledger_writer import TOPICS
from tests.support.paths import ROOT


def start(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "tests.support.ledger_writer", url], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_nothing_acknowledged_is_lost_and_nothing_is_kept_twice_or_by_half(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/node.db"
    for stop_after in (10, 35):
        writers = [start(url) for _ in range(2)]
        acknowledged = 0
        for writer in writers:
            assert writer.stdout is not None
            while acknowledged < stop_after:
                acknowledged = int(writer.stdout.readline())
        for writer in writers:
            writer.kill()
            rest, _ = writer.communicate()
            acknowledged = max([acknowledged, *map(int, rest.split())])
        ledger = Ledger(open_database(url))
        kept = [ledger.answers(topic, since_ms=0)["made_from"].tolist() for topic in TOPICS]
        assert kept[0] == kept[1] == kept[2]
        assert kept[0] == [bar * MINUTE_MS for bar in range(len(kept[0]))]
        assert len(kept[0]) > acknowledged >= stop_after
