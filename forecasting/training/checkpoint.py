"""A trained model as the files a checkpoint holds: the graph that is served, and the weights the next training starts from."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import safetensors.torch
import structlog
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from forecasting.arrays import Floats, Integers
from forecasting.dataset.signature import Signature
from forecasting.dataset.windows import Dataset
from forecasting.prediction.forecast import open_session, run_graph
from node.errors import TrainingError

log = structlog.get_logger(__name__)

NORMAL_QUARTILES: Final = 1.349
"""Interquartile range of a normal distribution, in its deviations."""

SMALLEST_DEVIATION: Final = 1e-6

WILDEST_FEATURE: Final = 5.0
"""Deviations from its centre at which a feature is cut, so that one crash bar drives the network nowhere it has never been."""

OPSET: Final = 17
TOLERANCE: Final = 1e-5
NETWORK: Final = "network."


class Standardise(nn.Module):
    """Raw features in, deviations from their centre on training rows out. The scaler is a part of the model."""

    centre: Tensor
    deviation: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))

    def fit(self, rows: Floats) -> None:
        """Take median and interquartile range from training rows [n, F]: one crash bar, which stays in a day's volatility for a
        day, moves neither. A feature that hardly ever moves is measured by its plain deviation, and one that never does is left."""
        low, middle, high = np.quantile(rows, (0.25, 0.5, 0.75), axis=0)
        deviation = (high - low) / NORMAL_QUARTILES
        deviation = np.where(deviation > SMALLEST_DEVIATION, deviation, rows.std(axis=0))
        deviation = np.where(deviation > SMALLEST_DEVIATION, deviation, 1.0)
        self.centre.copy_(torch.from_numpy(middle))
        self.deviation.copy_(torch.from_numpy(deviation))

    def forward(self, features: Tensor) -> Tensor:
        return torch.clamp((features - self.centre) / self.deviation, -WILDEST_FEATURE, WILDEST_FEATURE)


class TrainedModel(nn.Module):
    """Raw windows in, forecasts in model space out.

    baseline + unit × scale × (line_trust × line(newest bar) + network_trust × network(window)) + offset, where line and network see
    standardised features: the network says only what a line cannot. All trust at zero is exactly the baseline.
    """

    unit: Tensor
    line_weights: Tensor
    line_bias: Tensor
    line_trust: Tensor
    network_trust: Tensor
    offset: Tensor

    def __init__(self, network: nn.Module, features: int) -> None:
        super().__init__()
        self.standardise = Standardise(features)
        self.network = network
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("line_weights", torch.zeros(features))
        for name in ("line_bias", "line_trust", "network_trust", "offset"):
            self.register_buffer(name, torch.zeros(()))

    @property
    def shrinkage(self) -> float:
        """The greater trust of the two: 0 is exactly the baseline, 1 an answer that is believed in full."""
        return max(float(self.line_trust), float(self.network_trust))

    def become_baseline(self) -> None:
        """Trust nothing that was learned."""
        for part in (self.line_trust, self.network_trust, self.offset):
            part.zero_()

    def forward(self, window: Tensor, baseline: Tensor, scale: Tensor) -> Tensor:
        seen = self.standardise(window)
        line = seen[:, -1] @ self.line_weights + self.line_bias
        answer: Tensor = self.line_trust * line + self.network_trust * self.network(seen)
        return baseline + self.unit * scale * answer + self.offset


@dataclass(frozen=True, slots=True)
class TrainingProvenance:
    """What weights were made for and what they have seen: rows up to `trained_until_ms` moved them, and rows up to
    `validated_until_ms` chose among them. Both include the horizon."""

    signature: Signature
    trained_until_ms: int
    validated_until_ms: int

    def to_json(self) -> str:
        return json.dumps(
            {
                "signature": self.signature.to_dict(),
                "trained_until_ms": self.trained_until_ms,
                "validated_until_ms": self.validated_until_ms,
            },
            sort_keys=True,
        )

    @classmethod
    def from_weights(cls, weights: bytes) -> Self:
        """Read the header of a safetensors file."""
        length = int.from_bytes(weights[:8], "little")
        about = json.loads(json.loads(weights[8 : 8 + length])["__metadata__"]["learned"])
        return cls(Signature.from_dict(about["signature"]), int(about["trained_until_ms"]), int(about["validated_until_ms"]))


def to_safetensors(model: TrainedModel, provenance: TrainingProvenance) -> bytes:
    """Weights, scaler and calibration. One line of metadata: the format does not keep several in order."""
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return safetensors.torch.save(tensors, {"learned": provenance.to_json()})


def from_safetensors(weights: bytes, network: nn.Module) -> tuple[TrainedModel, TrainingProvenance]:
    """The model that `to_safetensors` wrote; `network` is an untrained one of its kind."""
    provenance = TrainingProvenance.from_weights(weights)
    model = TrainedModel(network, len(provenance.signature.features))
    model.load_state_dict(safetensors.torch.load(weights))
    return model, provenance


def warm_start(network: nn.Module, champion: bytes, provenance: TrainingProvenance) -> bool:
    """Start a network from a champion's weights; False, and the network as it was, where these do not fit or know too much.

    `provenance` is what the new training will see: a champion that was moved by what this one is validated on, or chosen by what it
    is calibrated on, would spoil the figures that follow.
    """
    try:
        before = TrainingProvenance.from_weights(champion)
        if before.signature != provenance.signature:
            return False
        if before.trained_until_ms > provenance.trained_until_ms or before.validated_until_ms > provenance.validated_until_ms:
            return False
        tensors = safetensors.torch.load(champion)
        state = {name.removeprefix(NETWORK): tensor for name, tensor in tensors.items() if name.startswith(NETWORK)}
        network.load_state_dict(state)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        log.warning("champion is no start, beginning anew", model=str(provenance.signature.task), error=str(error)[:200])
        return False
    return True


def to_onnx(model: TrainedModel, signature: Signature) -> bytes:
    """The graph with inputs window [N, W, F], baseline [N], scale [N] and output forecast [N]; N is free."""
    example = (torch.zeros(2, signature.window, len(signature.features)), torch.zeros(2), torch.ones(2))
    buffer = io.BytesIO()
    model.eval()
    with warnings.catch_warnings():
        # The tracing exporter is the faster and the smaller one; it warns of its age, and of batches of varying size, which
        # `check_graph` tries.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            example,
            buffer,  # type: ignore[arg-type]  # the tracing exporter writes to any file
            dynamo=False,
            opset_version=OPSET,
            input_names=["window", "baseline", "scale"],
            output_names=["forecast"],
            dynamic_axes={name: {0: "N"} for name in ("window", "baseline", "scale", "forecast")},
        )
    return buffer.getvalue()


def samples_of(model: TrainedModel, dataset: Dataset, rows: Integers) -> list[dict[str, Any]]:
    """The trained model's own answers at these rows, as plain JSON values."""
    window, baseline, scale = _inputs(dataset, rows)
    model.eval()
    with torch.no_grad():
        answers = model(torch.from_numpy(window), torch.from_numpy(baseline), torch.from_numpy(scale))
    columns = (window.tolist(), baseline.tolist(), scale.tolist(), answers.tolist())
    return [dict(zip(("window", "baseline", "scale", "forecast"), values, strict=True)) for values in zip(*columns, strict=True)]


def check_graph(graph: bytes, samples: list[dict[str, Any]]) -> None:
    """TrainingError unless the graph gives the trained model's answers, all at once and one at a time."""
    session = open_session(graph)
    window, baseline, scale, expected = (
        np.asarray([sample[name] for sample in samples], np.float32) for name in ("window", "baseline", "scale", "forecast")
    )
    together = run_graph(session, window, baseline, scale)
    alone = [run_graph(session, window[i : i + 1], baseline[i : i + 1], scale[i : i + 1])[0] for i in range(len(samples))]
    allowed = TOLERANCE * np.minimum(1.0, np.maximum(np.abs(scale), np.abs(expected)))
    for answers in (together, np.asarray(alone)):
        if not (np.abs(answers - expected) <= allowed).all():
            raise TrainingError("the exported graph does not answer as the trained model does", hint="The champion stays.")


def _inputs(dataset: Dataset, rows: Integers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return dataset.windows(rows), dataset.baseline[rows].astype(np.float32), dataset.scale[rows].astype(np.float32)
