"""Files of the model store, changed by somebody else: a version's manifest and the champion pointer, up to what is served."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, generate_latest

from inference.answers.collectors import TopicCollector
from inference.answers.forecaster import Forecaster
from inference.answers.snapshot import Answer
from inference.routes.models import ModelListing
from model_store.layout import POINTER, task_folder
from model_store.manifest import MANIFEST, Manifest
from model_store.pointer import Pointer, read_pointer
from model_store.verification import manifest_digest, read_manifest
from node.errors import CorruptVersionError
from tests.inference.conftest import BTC_10M, ETH_8H, INTERVALS, LAST_CLOSE, Node
from tests.system.fuzz.target import Check, Target, check_refusal


@contextmanager
def _node(folder: Path) -> Iterator[Node]:
    """Topics 3 and 84, each with candles and a champion; nobody touches the second."""
    node = Node(folder, [3, 84])
    try:
        node.fill(BTC_10M, ETH_8H, intervals=INTERVALS)
        yield node
    finally:
        node.engine.dispose()


def _folder(node: Node) -> Path:
    return task_folder(node.models.root, BTC_10M)


def _look(node: Node) -> Answer | None:
    """What is served for topic 3 once its files are looked at anew; topic 84 is served all the same, and all can be shown."""
    node.watcher._forecasters[BTC_10M] = Forecaster(BTC_10M, node.models)
    node.watcher.poll()
    changed, other = node.current.snapshot.states
    assert isinstance(other.outcome, Answer), "the other topic is served"
    json.dumps(ModelListing(node.models).show(node.current.snapshot)).encode()
    registry = CollectorRegistry()
    registry.register(TopicCollector(node.current, node.clock))
    generate_latest(registry)
    refusal = changed.refusal(node.clock.now_ms())
    if refusal is not None:
        check_refusal(refusal)
        return None
    assert isinstance(changed.outcome, Answer)
    assert math.isfinite(changed.outcome.value)
    assert changed.outcome.value > 0
    return changed.outcome


@contextmanager
def _manifest(folder: Path) -> Iterator[Check]:
    """The pointer cannot be read, so that the newest manifest which says that the gate let it pass is all that counts."""
    with _node(folder) as node:
        (version,) = node.models.versions(BTC_10M)
        (_folder(node) / POINTER).write_bytes(b"damaged")

        def check(data: bytes) -> bool:
            (_folder(node) / version / MANIFEST).write_bytes(data)
            served = _look(node)
            try:
                manifest = read_manifest(_folder(node) / version)
            except CorruptVersionError as error:
                check_refusal(error)
                assert served is None
                return False
            assert Manifest.model_validate_json(manifest.model_dump_json()).version == version
            if served is not None:
                assert manifest.task.task == BTC_10M
                assert manifest.gate.promoted
            return served is not None

        yield check


@contextmanager
def _pointer(folder: Path) -> Iterator[Check]:
    with _node(folder) as node:
        (version,) = node.models.versions(BTC_10M)
        digest = manifest_digest(_folder(node) / version)

        def check(data: bytes) -> bool:
            (_folder(node) / POINTER).write_bytes(data)
            served = _look(node)
            assert served is None or served.body == f"{LAST_CLOSE}".encode()
            try:
                pointer = read_pointer(_folder(node))
            except CorruptVersionError as error:
                check_refusal(error)
                assert served is not None, "the version itself is whole, and no pointer says another thing of it"
                return False
            assert pointer is not None
            entry = pointer.entry(version)
            assert (served is not None) == (entry is None or entry.manifest_sha256 == digest)
            assert Pointer.model_validate_json(pointer.model_dump_json()) == pointer
            return True

        yield check


@cache
def _made(name: str) -> bytes:
    """The file of this name of a node like the one that is changed."""
    with TemporaryDirectory() as folder, _node(Path(folder)) as node:
        return next(_folder(node).rglob(name)).read_bytes()


def _pointers() -> list[bytes]:
    content = json.loads(_made(POINTER))
    former = [content["champion"] | {"version": f"20250101T00000{number}Z-abcdef"} for number in range(3)]
    return [json.dumps(content).encode(), json.dumps(content | {"former": former}).encode()]


def _manifests() -> list[bytes]:
    content = json.loads(_made(MANIFEST))
    leader = content["signature"] | {"leader": "ETH", "estimator": "standard_deviation", "model": "birnn"}
    return [json.dumps(content).encode(), json.dumps(content | {"signature": leader, "parent": content["version"]}).encode()]


WORDS = (b"null", b"true", b"1e400", b"NaN", b"Infinity", b"-1", b"[]", b"{}", b"9223372036854775808", b'"leader":', b'"\\ud800"')
MANIFESTS = Target(_manifest, _manifests, WORDS)
POINTERS = Target(_pointer, _pointers, WORDS)
