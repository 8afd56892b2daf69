"""Models small enough for tests: `forecast = baseline + scale * (answer + 0 * mean(window))`."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from model_store.manifest import Gate, Sample, VersionMetadata
from node.durations import Duration
from node.topics import Target, Task

WINDOW = 4
FEATURES = ("log_return", "log_volume")
BTC = Task("BTC", Target.PRICE, Duration.parse("10m"))
ETH = Task("ETH", Target.LOG_RETURN, Duration.parse("8h"))


def tiny_graph(answer: float, window: int = WINDOW, features: int = len(FEATURES)) -> bytes:
    """An ONNX graph with the inputs and the output of every model of the node."""
    nodes = [
        helper.make_node("ReduceMean", ["window"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "answer"], ["net"]),
        helper.make_node("Mul", ["net", "scale"], ["move"]),
        helper.make_node("Add", ["baseline", "move"], ["forecast"]),
    ]
    inputs = [
        helper.make_tensor_value_info("window", TensorProto.FLOAT, ["N", window, features]),
        helper.make_tensor_value_info("baseline", TensorProto.FLOAT, ["N"]),
        helper.make_tensor_value_info("scale", TensorProto.FLOAT, ["N"]),
    ]
    outputs = [helper.make_tensor_value_info("forecast", TensorProto.FLOAT, ["N"])]
    constants = [
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("answer", TensorProto.FLOAT, [1], [answer]),
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def tiny_signature(task: Task, window: int = WINDOW, features: tuple[str, ...] = FEATURES) -> dict[str, Any]:
    return {
        "token": task.token,
        "target": task.target.value,
        "horizon": str(task.horizon),
        "interval": task.interval.value,
        "window": window,
        "features": list(features),
    }


def tiny_metadata(
    task: Task, answer: float, *, promoted: bool = True, signature: dict[str, Any] | None = None, **changes: Any
) -> VersionMetadata:
    """A draft whose samples are what `tiny_graph(answer)` answers."""
    said = signature or tiny_signature(task)
    noise = np.random.default_rng(0)
    samples = []
    for _ in range(3):
        window = noise.normal(size=(said["window"], len(said["features"]))).astype(np.float32)
        baseline, scale = np.float32(noise.normal()), np.float32(abs(noise.normal()) + 0.1)
        forecast = float(baseline + scale * np.float32(answer))
        samples.append(Sample(window=window, baseline=baseline, scale=scale, forecast=forecast))
    content: dict[str, Any] = {
        "signature": said,
        "data_start_ms": 1_700_000_000_000,
        "data_end_ms": 1_700_600_000_000,
        "data_sha256": "0" * 64,
        "seed": 0,
        "scores": {"skill": 0.01, "n": 100},
        "gate": Gate(promoted=promoted, reason="promoted: better" if promoted else "refused: worse"),
        "samples": tuple(samples),
    }
    return VersionMetadata(**(content | changes))
