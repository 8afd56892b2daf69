"""A writer killed at any moment leaves readers the old champion or the new one, whole, and the next writer a clean floor."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from model_store.store import ModelStore
from node.clock import ManualClock
from node.errors import CorruptVersionError, NoChampionError
from tests.model_store.killed_writer import NEW_ANSWER
from tests.support.paths import ROOT
from tests.support.tiny_models import BTC, tiny_graph, tiny_metadata


def with_champion(root: Path, answer: float) -> str:
    """One champion and one refused version, which the next writer prunes."""
    store = ModelStore(root, ManualClock())
    store.publish(BTC, graph=tiny_graph(0.3), weights=b"refused", metadata=tiny_metadata(BTC, 0.3, promoted=False))
    version = store.publish(BTC, graph=tiny_graph(answer), weights=b"old", metadata=tiny_metadata(BTC, answer)).version
    store.promote(BTC, version, "first")
    return version


def kill_writer_everywhere(folder: Path) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "tests.model_store.killed_writer", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_writer_killed_at_any_call_leaves_the_old_champion_or_the_new_one(tmp_path: Path) -> None:
    old = with_champion(tmp_path / "before", 0.1)
    outcomes = kill_writer_everywhere(tmp_path)
    assert len(outcomes) > 20
    seen = []
    for outcome in outcomes:
        store = ModelStore(Path(str(outcome["place"])), ManualClock())
        champion = store.champion(BTC)
        assert champion.name == store.champion_version(BTC), "no fallback was needed"
        assert champion.graph == tiny_graph(0.1 if champion.name == old else NEW_ANSWER)
        for version in store.versions(BTC):
            store.load(BTC, version)
        seen.append(champion.name != old)
    assert seen == sorted(seen), "once the new champion is visible it stays"
    assert seen[-1]


def test_a_writer_killed_at_any_call_leaves_nothing_the_next_one_stumbles_over(tmp_path: Path) -> None:
    with_champion(tmp_path / "before", 0.1)
    for outcome in kill_writer_everywhere(tmp_path):
        store = ModelStore(Path(str(outcome["place"])), ManualClock(1_770_000_000_000))
        version = store.publish(BTC, graph=tiny_graph(0.5), weights=b"next", metadata=tiny_metadata(BTC, 0.5)).version
        store.promote(BTC, version, "next")
        assert store.champion(BTC).name == version
        names = {path.name for path in (store.root / "BTC" / "price-10m").iterdir()}
        assert names == {"champion.json", *store.versions(BTC)}


def test_a_first_writer_killed_at_any_call_leaves_no_champion_or_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    for outcome in kill_writer_everywhere(tmp_path):
        store = ModelStore(Path(str(outcome["place"])), ManualClock())
        try:
            assert store.champion(BTC).graph == tiny_graph(NEW_ANSWER)
        except NoChampionError:
            assert store.champion_version(BTC) is None


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_never_served(tmp_path_factory: object, data: st.DataObject) -> None:
    """Whatever is cut off or changed in whichever file, what loads is one of the two versions, byte for byte."""
    root = Path(tmp_path_factory.mktemp("store"))  # type: ignore[attr-defined]
    try:
        old = with_champion(root, 0.1)
        store = ModelStore(root, ManualClock(1_760_000_000_000))
        new = store.publish(BTC, graph=tiny_graph(0.2), weights=b"new", metadata=tiny_metadata(BTC, 0.2)).version
        store.promote(BTC, new, "better")
        files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
        path = data.draw(st.sampled_from(files))
        content = path.read_bytes()
        place = data.draw(st.integers(0, len(content) - 1))
        cut = data.draw(st.booleans())
        changed = (
            content[:place]
            if cut
            else content[:place] + bytes([content[place] ^ data.draw(st.integers(1, 255))]) + content[place + 1 :]
        )
        path.write_bytes(changed)
        champion = store.champion(BTC)
        assert champion.graph == tiny_graph({old: 0.1, new: 0.2}[champion.name])
        assert champion.weights_path.read_bytes() == {old: b"old", new: b"new"}[champion.name]
    except (NoChampionError, CorruptVersionError):
        raise AssertionError("one of the two versions is always whole") from None
    finally:
        shutil.rmtree(root)
