"""GET /models: the champion, its history, and the reasons."""

from __future__ import annotations

from tests.inference.conftest import BTC_10M, Node, json_of


def test_models_shows_the_champion_its_history_and_the_reasons(node: Node) -> None:
    node.fill(BTC_10M, answer=0.1)
    node.fill(BTC_10M, answer=0.2)
    newest, older = (manifest.version for manifest in node.models.history(BTC_10M))
    entry = json_of(node, "/models")[0]
    assert entry["model"] == "BTC/price-10m"
    assert entry["topics"] == [3]
    assert entry["champion"] == entry["serving"] == newest
    assert entry["reason"] == "better"
    assert entry["former_champions"] == [older]
    assert entry["scores"] == {"skill": 0.01, "n": 100}
    assert [version["version"] for version in entry["history"]] == [newest, older]
    assert entry["history"][0]["reason"] == "promoted: better"


def test_models_tells_when_another_version_than_the_champion_is_served(node: Node) -> None:
    node.fill(BTC_10M, answer=0.1)
    node.fill(BTC_10M, answer=0.2)
    newest, older = (manifest.version for manifest in node.models.history(BTC_10M))
    (node.models.root / "BTC" / "price-10m" / newest / "model.onnx").write_bytes(b"damaged")
    (node.models.root / "BTC" / "price-10m" / newest / "manifest.json").write_bytes(b"damaged")
    node.models.rollback(BTC_10M)
    node.models.promote(BTC_10M, older, "the other one is damaged")
    node.watcher.poll()
    entry = json_of(node, "/models")[0]
    assert entry["champion"] == entry["serving"] == older
    assert "error" in entry["history"][0]
    assert entry["history"][0]["version"] == newest


def test_models_without_any_model_says_so(node: Node) -> None:
    assert [entry["reason"] for entry in json_of(node, "/models")] == ["nothing was promoted yet"] * 4


def test_models_forgets_versions_that_were_pruned(node: Node) -> None:
    for answer in (0.1, 0.2, 0.3):
        node.fill(BTC_10M, answer=answer)
    assert len(json_of(node, "/models")[0]["history"]) == 3
    node.models.prune(BTC_10M, 1)
    assert len(json_of(node, "/models")[0]["history"]) == 2
