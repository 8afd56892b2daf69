"""Whether a version is what its manifest says: digests, signature, graph, and the answers to its own samples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort
from pydantic import ValidationError

from model_store.durable import read_file
from model_store.manifest import GRAPH, LARGEST, MANIFEST, WEIGHTS, Manifest, Sample
from node.durations import Duration
from node.errors import CorruptVersionError, ModelStoreError
from node.onnx_session import open_session
from node.topics import TOKEN_PATTERN, Task

TOLERANCE: Final = 1e-5
"""Largest difference between a sample's answer and the graph's."""

RANKS: Final = {"window": 3, "baseline": 1, "scale": 1}
OUTPUT: Final = "forecast"


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def open_graph(graph: bytes) -> ort.InferenceSession:
    """A session on one thread; CorruptVersionError if the runtime refuses the graph."""
    try:
        return open_session(graph)
    except Exception as error:  # the runtime's own exceptions share no public base
        raise CorruptVersionError(f"the runtime refuses {GRAPH}: {str(error)[:300]}") from None


def _read(path: Path) -> bytes:
    try:
        return read_file(path, LARGEST[path.name])
    except ModelStoreError as error:
        raise CorruptVersionError(error.message) from None


def manifest_digest(folder: Path) -> str:
    """SHA-256 of the manifest in `folder`."""
    return digest(_read(folder / MANIFEST))


def read_manifest(folder: Path, expected: str | None = None) -> Manifest:
    """The manifest in `folder`; CorruptVersionError if it cannot be read, is not of this folder, or lacks the `expected` digest."""
    content = _read(folder / MANIFEST)
    if expected is not None and digest(content) != expected:
        raise CorruptVersionError(f"{folder / MANIFEST} is not the file that was promoted")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise CorruptVersionError(
            f"{folder / MANIFEST} is not a manifest: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from None
    if manifest.version != folder.name:
        raise CorruptVersionError(f"{folder} holds the manifest of version {manifest.version}")
    return manifest


def verify(task: Task, folder: Path, manifest: Manifest) -> tuple[bytes, ort.InferenceSession]:
    """The graph of a version and a session on it, once everything its manifest says has been checked."""
    if folder.is_symlink():
        raise CorruptVersionError(f"{folder} is a link")
    contents = _read_files(folder, manifest.files)
    check_signature(task, manifest)
    session = open_graph(contents[GRAPH])
    check_graph(session)
    for number, sample in enumerate(manifest.samples):
        check_sample(session, sample, number)
    return contents[GRAPH], session


def _read_files(folder: Path, digests: Mapping[str, str]) -> dict[str, bytes]:
    if digests.keys() != {GRAPH, WEIGHTS}:
        raise CorruptVersionError(f"the manifest in {folder} must list {GRAPH} and {WEIGHTS}, nothing else")
    contents = {}
    for name, expected in digests.items():
        contents[name] = _read(folder / name)
        if digest(contents[name]) != expected:
            raise CorruptVersionError(f"{folder / name} is damaged: its SHA-256 is not the manifest's")
    return contents


def check_signature(task: Task, manifest: Manifest) -> None:
    """CorruptVersionError unless manifest and signature belong to `task` and the samples have the signature's shape."""
    if manifest.task.task != task:
        raise CorruptVersionError(f"version {manifest.version} belongs to {manifest.task.task}, not to {task}")
    said = manifest.signature
    wanted = {"token": task.token, "target": task.target.value, "interval": task.interval.value}
    for key, value in wanted.items():
        if said.get(key) != value:
            raise CorruptVersionError(f"the signature of {task} has {key} {said.get(key)!r} where {value!r} is needed")
    if _duration(said.get("horizon")) != task.horizon:
        raise CorruptVersionError(f"the signature of {task} has horizon {said.get('horizon')!r}")
    features, window = said.get("features"), said.get("window")
    if not isinstance(features, list | tuple) or not features or not isinstance(window, int) or window < 1:
        raise CorruptVersionError(f"the signature of {task} lacks its window or its features")
    leader = said.get("leader")
    if leader is not None and not (isinstance(leader, str) and TOKEN_PATTERN.fullmatch(leader)):
        raise CorruptVersionError(f"the signature of {task} has a leader that is no token")
    for number, sample in enumerate(manifest.samples):
        if len(sample.window) != window or any(len(row) != len(features) for row in sample.window):
            raise CorruptVersionError(f"sample {number} is not a window of {window} bars with {len(features)} features")


def _duration(value: object) -> Duration | None:
    try:
        return Duration.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None


def check_graph(session: ort.InferenceSession) -> None:
    """CorruptVersionError unless the graph has the inputs and the output that every model of the node has."""
    ranks = {node.name: len(node.shape) for node in session.get_inputs()}
    if ranks != RANKS or any(node.type != "tensor(float)" for node in session.get_inputs()):
        raise CorruptVersionError(f"the graph reads {sorted(ranks)}, not float tensors {sorted(RANKS)} of the right rank")
    outputs = [node.name for node in session.get_outputs()]
    if outputs != [OUTPUT]:
        raise CorruptVersionError(f"the graph answers {outputs}, not {[OUTPUT]}")


def check_sample(session: ort.InferenceSession, sample: Sample, number: int) -> None:
    """CorruptVersionError unless the graph gives the sample's answer, to a hundred-thousandth of the sample's scale."""
    inputs = {
        "window": np.asarray([sample.window], dtype=np.float32),
        "baseline": np.asarray([sample.baseline], dtype=np.float32),
        "scale": np.asarray([sample.scale], dtype=np.float32),
    }
    try:
        answer = np.asarray(session.run([OUTPUT], inputs)[0])
    except Exception as error:  # the runtime's own exceptions share no public base
        raise CorruptVersionError(f"the graph fails on sample {number}: {str(error)[:300]}") from None
    allowed = TOLERANCE * min(1.0, max(abs(sample.scale), abs(sample.forecast)))
    if answer.shape != (1,) or not abs(float(answer[0]) - sample.forecast) <= allowed:
        raise CorruptVersionError(f"the graph answers {answer.tolist()} to sample {number}, the trained model {sample.forecast}")
