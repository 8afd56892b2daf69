"""What a store refuses to load, whatever its digests say."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from pydantic import ValidationError

from model_store.manifest import Sample, VersionMetadata
from model_store.store import ModelStore
from node.errors import CorruptVersionError
from tests.support.tiny_models import BTC, tiny_graph, tiny_metadata


def publish(store: ModelStore, graph: bytes, answer: float = 0.1) -> str:
    return store.publish(BTC, graph=graph, weights=b"w", metadata=tiny_metadata(BTC, answer)).version


def with_external_weights(place: str) -> bytes:
    """The tiny graph with `answer` in another file."""
    model = onnx.load_from_string(tiny_graph(0.1))
    (answer,) = [each for each in model.graph.initializer if each.name == "answer"]
    answer.ClearField("float_data")
    answer.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", "4")):
        entry = answer.external_data.add()
        entry.key, entry.value = key, value
    return bytes(model.SerializeToString())


def with_external_constant(place: str) -> bytes:
    """The same, with `answer` as a constant node's attribute."""
    model = onnx.load_from_string(with_external_weights(place))
    (answer,) = [each for each in model.graph.initializer if each.name == "answer"]
    node = helper.make_node("Constant", [], ["answer"], value=answer)
    model.graph.initializer.remove(answer)
    model.graph.node.insert(0, node)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("make", [with_external_weights, with_external_constant])
@pytest.mark.parametrize("place", ["outside.bin", "../folder/outside.bin", "{absolute}"])
def test_a_graph_with_weights_in_another_file_is_refused(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, place: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "outside.bin").write_bytes(np.float32(0.1).tobytes())
    monkeypatch.chdir(folder)
    with pytest.raises(CorruptVersionError, match="refuses"):
        publish(store, make(place.format(absolute=folder / "outside.bin")))


def test_a_graph_with_an_operator_from_elsewhere_is_refused(store: ModelStore) -> None:
    model = onnx.load_from_string(tiny_graph(0.1))
    model.graph.node[0].domain = "somewhere.else"
    with pytest.raises(CorruptVersionError, match="refuses"):
        publish(store, model.SerializeToString())


@pytest.mark.parametrize("content", [b"", b"\x00", b"not a graph", b"PK\x03\x04", bytes(1000)])
def test_what_is_not_a_graph_is_refused(store: ModelStore, content: bytes) -> None:
    with pytest.raises(CorruptVersionError):
        publish(store, content)


@pytest.mark.parametrize("name", ["window", "baseline", "scale", "forecast"])
def test_a_graph_with_other_names_is_refused(store: ModelStore, name: str) -> None:
    model = onnx.load_from_string(tiny_graph(0.1))
    for node in model.graph.node:
        node.input[:] = ["other" if each == name else each for each in node.input]
        node.output[:] = ["other" if each == name else each for each in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = "other" if value.name == name else value.name
    with pytest.raises(CorruptVersionError, match="other"):
        publish(store, model.SerializeToString())


def test_a_graph_that_answers_something_not_finite_is_refused(store: ModelStore) -> None:
    with pytest.raises(CorruptVersionError, match="sample"):
        publish(store, tiny_graph(float("nan")))


def test_samples_are_held_to_a_hundred_thousandth_of_their_scale(store: ModelStore) -> None:
    """A return over ten minutes is a thousandth; an error of a hundred-thousandth would be a percent of it."""
    window = np.zeros((4, 2), np.float32)
    sample = Sample(window=window, baseline=0.0, scale=0.001, forecast=float(np.float32(0.001) * np.float32(0.1)))
    off = sample.model_copy(update={"forecast": sample.forecast + 1e-6})
    store.publish(BTC, graph=tiny_graph(0.1), weights=b"w", metadata=tiny_metadata(BTC, 0.1, samples=(sample,)))
    with pytest.raises(CorruptVersionError, match="sample 0"):
        store.publish(BTC, graph=tiny_graph(0.1), weights=b"w", metadata=tiny_metadata(BTC, 0.1, samples=(off,)))


def test_samples_of_another_shape_than_the_signature_are_refused(store: ModelStore) -> None:
    metadata = tiny_metadata(BTC, 0.1)
    narrow = metadata.samples[0].model_copy(update={"window": ((0.0,),) * 4})
    with pytest.raises(CorruptVersionError, match="sample 0 is not a window"):
        store.publish(BTC, graph=tiny_graph(0.1), weights=b"w", metadata=metadata.model_copy(update={"samples": (narrow,)}))


def test_a_link_in_place_of_a_file_is_refused(store: ModelStore, tmp_path: Path) -> None:
    version = publish(store, tiny_graph(0.1))
    path = store.root / "BTC" / "price-10m" / version / "model.onnx"
    moved = tmp_path / "elsewhere.onnx"
    path.rename(moved)
    path.symlink_to(moved)
    with pytest.raises(CorruptVersionError, match="cannot be read"):
        store.load(BTC, version)


def test_a_link_in_place_of_a_version_is_refused(store: ModelStore, tmp_path: Path) -> None:
    version = publish(store, tiny_graph(0.1))
    folder = store.root / "BTC" / "price-10m" / version
    folder.rename(tmp_path / version)
    folder.symlink_to(tmp_path / version)
    with pytest.raises(CorruptVersionError, match="link"):
        store.load(BTC, version)


def test_a_pipe_in_place_of_a_file_does_not_hold_the_reader_up(store: ModelStore) -> None:
    version = publish(store, tiny_graph(0.1))
    path = store.root / "BTC" / "price-10m" / version / "model.onnx"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(CorruptVersionError):
        store.load(BTC, version)


def test_a_file_beyond_all_measure_is_not_read(store: ModelStore) -> None:
    version = publish(store, tiny_graph(0.1))
    path = store.root / "BTC" / "price-10m" / version / "model.onnx"
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(CorruptVersionError, match="larger"):
        store.load(BTC, version)


@pytest.mark.parametrize("name", ["../../escape.bin", "/etc/passwd", "model.onnx/../x", "extra.py"])
def test_a_manifest_that_names_other_files_is_refused(store: ModelStore, name: str) -> None:
    version = publish(store, tiny_graph(0.1))
    folder = store.root / "BTC" / "price-10m" / version
    text = (folder / "manifest.json").read_text().replace('"weights.safetensors"', f'"{name}"')
    (folder / "manifest.json").write_text(text)
    with pytest.raises(CorruptVersionError, match="must list"):
        store.load(BTC, version)


def test_a_version_copied_under_another_name_is_refused(store: ModelStore) -> None:
    version = publish(store, tiny_graph(0.1))
    folder = store.root / "BTC" / "price-10m" / version
    other = f"{version[:-6]}abcdef"
    folder.rename(folder.with_name(other))
    with pytest.raises(CorruptVersionError, match="manifest of version"):
        store.load(BTC, other)


def test_a_version_moved_to_another_task_is_refused(store: ModelStore) -> None:
    version = publish(store, tiny_graph(0.1))
    folder = store.root / "BTC" / "price-10m"
    eth = store.root / "ETH" / "price-10m"
    eth.parent.mkdir()
    folder.rename(eth)
    (task,) = store.tasks()
    with pytest.raises(CorruptVersionError, match="belongs to"):
        store.load(task, version)


@pytest.mark.parametrize(
    "change",
    [
        {"samples": ()},
        {"data_sha256": "short"},
        {"parent": "../champion"},
        {"surprise": 1},
        {"scores": {str(number): 0.0 for number in range(201)}},
    ],
)
def test_a_draft_outside_its_bounds_is_refused(change: dict[str, Any]) -> None:
    content = tiny_metadata(BTC, 0.1).model_dump()
    with pytest.raises(ValidationError):
        VersionMetadata.model_validate(content | change)


def test_digests_in_the_manifest_are_those_of_the_files(store: ModelStore) -> None:
    version = publish(store, tiny_graph(0.1))
    folder = store.root / "BTC" / "price-10m" / version
    digests = store.manifest(BTC, version).files
    assert digests == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in digests}
