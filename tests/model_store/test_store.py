"""Publishing, promoting, rolling back and pruning, as whoever uses the store sees it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from model_store.store import ModelStore
from node.clock import ManualClock
from node.durations import Duration
from node.errors import CorruptVersionError, ModelStoreError, NoChampionError
from node.topics import Target, Task
from tests.support.tiny_models import BTC, ETH, FEATURES, WINDOW, tiny_graph, tiny_metadata, tiny_signature


def publish(store: ModelStore, answer: float, task: Task = BTC, *, promoted: bool = True) -> str:
    metadata = tiny_metadata(task, answer, promoted=promoted)
    return store.publish(task, graph=tiny_graph(answer), weights=b"weights", metadata=metadata).version


def champions(store: ModelStore, *answers: float) -> list[str]:
    """Publish and promote one version after the other."""
    names = []
    for answer in answers:
        names.append(publish(store, answer))
        store.promote(BTC, names[-1], "better")
    return names


def folder_of(store: ModelStore, version: str) -> Path:
    return store.root / "BTC" / "price-10m" / version


def test_a_published_version_is_not_yet_champion(store: ModelStore) -> None:
    version = publish(store, 0.1)
    assert store.champion_version(BTC) is None
    assert [manifest.version for manifest in store.history(BTC)] == [version]
    with pytest.raises(NoChampionError):
        store.champion(BTC)


def test_the_champion_is_loaded_with_a_graph_that_answers(store: ModelStore) -> None:
    (version,) = champions(store, 0.25)
    champion = store.champion(BTC)
    assert champion.name == store.champion_version(BTC) == version
    assert champion.graph == tiny_graph(0.25)
    assert champion.weights_path.read_bytes() == b"weights"
    window = np.zeros((1, WINDOW, len(FEATURES)), np.float32)
    inputs = {"window": window, "baseline": np.float32([0.0]), "scale": np.float32([2.0])}
    assert champion.session.run(None, inputs)[0][0] == pytest.approx(0.5)


def test_a_version_folder_holds_what_the_design_says(store: ModelStore) -> None:
    version = publish(store, 0.1)
    assert sorted(path.name for path in folder_of(store, version).iterdir()) == [
        "manifest.json", "model.onnx", "weights.safetensors"
    ]  # fmt: skip
    manifest = json.loads((folder_of(store, version) / "manifest.json").read_text())
    assert manifest["cell"] == {"token": "BTC", "target": "price", "horizon": "10m"}
    assert manifest["files"].keys() == {"model.onnx", "weights.safetensors"}
    assert manifest["gate"] == {"promoted": True, "reason": "promoted: better"}


def test_names_sort_in_the_order_of_publication_even_if_the_clock_is_set_back(store: ModelStore, clock: ManualClock) -> None:
    names = [publish(store, 0.1), publish(store, 0.1)]
    clock.advance(-3600)
    names.append(publish(store, 0.1))
    clock.advance(7200)
    names.append(publish(store, 0.1))
    assert names == sorted(set(names))
    assert store.versions(BTC) == names[::-1]


def test_a_graph_that_does_not_give_the_samples_answers_is_not_published(store: ModelStore) -> None:
    with pytest.raises(CorruptVersionError, match="sample 0"):
        store.publish(BTC, graph=tiny_graph(0.1001), weights=b"", metadata=tiny_metadata(BTC, 0.1))
    assert store.versions(BTC) == []
    assert list((store.root / "BTC" / "price-10m").iterdir()) == []


@pytest.mark.parametrize(
    "change", [{"token": "ETH"}, {"target": "volatility"}, {"horizon": "20m"}, {"horizon": None}, {"interval": "1h"}]
)
def test_a_signature_of_another_task_is_not_published(store: ModelStore, change: dict[str, object]) -> None:
    metadata = tiny_metadata(BTC, 0.1, signature=tiny_signature(BTC) | change)
    with pytest.raises(CorruptVersionError, match="signature"):
        store.publish(BTC, graph=tiny_graph(0.1), weights=b"", metadata=metadata)


def test_rollback_brings_the_champion_before_and_then_the_one_before_that(store: ModelStore) -> None:
    first, second, third = champions(store, 0.1, 0.2, 0.3)
    assert store.rollback(BTC).version == second
    assert store.champion(BTC).name == second
    assert store.rollback(BTC).version == first
    with pytest.raises(ModelStoreError, match="no former champion"):
        store.rollback(BTC)
    store.promote(BTC, third, "after all")
    assert store.champion(BTC).name == third
    assert store.rollback(BTC).version == first


def test_rollback_passes_over_a_damaged_former_champion(store: ModelStore) -> None:
    first, second, _ = champions(store, 0.1, 0.2, 0.3)
    (folder_of(store, second) / "model.onnx").write_bytes(b"damaged")
    assert store.rollback(BTC).version == first


def test_promoting_the_champion_again_does_not_make_it_its_own_predecessor(store: ModelStore) -> None:
    first, second = champions(store, 0.1, 0.2)
    store.promote(BTC, second, "again")
    assert store.rollback(BTC).version == first


def test_only_a_version_that_exists_and_verifies_can_be_promoted(store: ModelStore) -> None:
    (first,) = champions(store, 0.1)
    second = publish(store, 0.2)
    (folder_of(store, second) / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(CorruptVersionError):
        store.promote(BTC, second, "no")
    with pytest.raises(ModelStoreError, match="has no version"):
        store.promote(BTC, "20200101T000000Z-abcdef", "no")
    with pytest.raises(ModelStoreError, match="not the name"):
        store.promote(BTC, "../../../etc", "no")
    assert store.champion(BTC).name == first


def test_pruning_keeps_the_newest_the_champion_and_the_way_back(store: ModelStore) -> None:
    first, second = champions(store, 0.1, 0.2)
    refused = [publish(store, answer, promoted=False) for answer in (0.3, 0.4, 0.5)]
    assert sorted(store.prune(BTC, 1)) == refused[:2]
    assert store.versions(BTC) == [refused[2], second, first]
    assert store.champion(BTC).name == second
    assert store.rollback(BTC).version == first


def test_pruning_never_deletes_the_champion(store: ModelStore) -> None:
    (only,) = champions(store, 0.1)
    assert store.prune(BTC, 0) == []
    assert store.champion(BTC).name == only


def test_tasks_are_found_by_their_folders_and_nothing_else_is(store: ModelStore) -> None:
    publish(store, 0.1)
    publish(store, 0.1, ETH)
    for name in ("btc/price-10m", "BTC/price-600s", "BTC/price", "BTC/return-10m", "BTC/price-0m", "..x/price-10m"):
        (store.root / name).mkdir(parents=True)
    assert store.tasks() == [BTC, ETH]


def test_a_store_that_does_not_exist_is_empty_and_stays_so(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "nowhere", ManualClock())
    assert store.tasks() == []
    assert store.history(BTC) == []
    assert store.champion_version(BTC) is None
    with pytest.raises(NoChampionError):
        store.champion(BTC)
    assert not (tmp_path / "nowhere").exists()


def test_a_task_whose_token_is_a_path_is_refused(store: ModelStore) -> None:
    with pytest.raises(ModelStoreError, match="not a token"):
        store.champion(Task("../BTC", Target.PRICE, Duration.parse("10m")))


def test_scores_that_are_not_numbers_are_kept_as_unknown(store: ModelStore) -> None:
    scores = {"skill": np.float32(0.5), "r": float("nan"), "n": np.int64(3)}
    version = store.publish(
        BTC, graph=tiny_graph(0.1), weights=b"", metadata=tiny_metadata(BTC, 0.1, scores=scores)
    ).version  # fmt: skip
    manifest = store.manifest(BTC, version)
    assert manifest.scores == {"skill": 0.5, "r": None, "n": 3}
    assert manifest.score("skill") == 0.5
    assert manifest.score("r") is None


class TestFallback:
    """A champion that cannot be trusted is replaced by one that can, and the log says so."""

    @pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors", "manifest.json"])
    def test_a_flipped_bit_anywhere_brings_back_the_champion_before(self, store: ModelStore, name: str) -> None:
        first, second = champions(store, 0.1, 0.2)
        path = folder_of(store, second) / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with capture_logs() as logs:
            assert store.champion(BTC).name == first
        assert store.champion_version(BTC) == second
        assert "fallen back to another version than the champion" in [entry["event"] for entry in logs]

    def test_a_manifest_rewritten_with_matching_digests_is_not_trusted(self, store: ModelStore) -> None:
        first, second = champions(store, 0.1, 0.2)
        path = folder_of(store, second) / "manifest.json"
        path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
        assert store.champion(BTC).name == first

    def test_former_champions_are_preferred_to_newer_versions(self, store: ModelStore) -> None:
        first, second = champions(store, 0.1, 0.2)
        publish(store, 0.3)
        shutil.rmtree(folder_of(store, second))
        assert store.champion(BTC).name == first

    def test_then_the_newest_version_that_the_gate_let_pass(self, store: ModelStore) -> None:
        (first,) = champions(store, 0.1)
        passed = publish(store, 0.2)
        publish(store, 0.3, promoted=False)
        shutil.rmtree(folder_of(store, first))
        assert store.champion(BTC).name == passed

    def test_a_refused_version_is_never_fallen_back_to(self, store: ModelStore) -> None:
        (first,) = champions(store, 0.1)
        publish(store, 0.2, promoted=False)
        shutil.rmtree(folder_of(store, first))
        with pytest.raises(NoChampionError):
            store.champion(BTC)

    @pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"champion": "../../x"}', "\x00"])
    def test_a_damaged_pointer_is_said_and_survived(self, store: ModelStore, content: str) -> None:
        _, second = champions(store, 0.1, 0.2)
        (store.root / "BTC" / "price-10m" / "champion.json").write_text(content)
        assert store.champion_version(BTC) is None
        with capture_logs() as logs:
            assert store.champion(BTC).name == second
        assert "champion pointer is damaged" in [entry["event"] for entry in logs]
        with pytest.raises(CorruptVersionError):
            store.rollback(BTC)
        store.promote(BTC, second, "mended")
        assert store.champion_version(BTC) == second
