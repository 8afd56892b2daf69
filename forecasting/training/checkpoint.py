"""A trained model becomes the files of a checkpoint: the graph that is served, and the weights the next training starts from."""

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
from torch import nn

from forecasting.arrays import Integers
from forecasting.dataset.signature import Signature
from forecasting.dataset.windows import Dataset
from forecasting.models.trained_model import TrainedModel
from forecasting.prediction.onnx_session import open_session, run_graph
from node.errors import TrainingError

log = structlog.get_logger(__name__)

OPSET: Final = 17
TOLERANCE: Final = 1e-5
NETWORK: Final = "network."


@dataclass(frozen=True, slots=True)
class TrainingProvenance:
    """The signature that weights were made for, and what they have seen: rows up to `trained_until_ms` moved them, and rows up to
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


def make_samples(model: TrainedModel, dataset: Dataset, rows: Integers) -> list[dict[str, Any]]:
    """Return the trained model's own forecasts at these rows, as plain JSON values."""
    window, baseline, scale = _inputs(dataset, rows)
    model.eval()
    with torch.no_grad():
        forecasts = model(torch.from_numpy(window), torch.from_numpy(baseline), torch.from_numpy(scale))
    columns = (window.tolist(), baseline.tolist(), scale.tolist(), forecasts.tolist())
    return [dict(zip(("window", "baseline", "scale", "forecast"), values, strict=True)) for values in zip(*columns, strict=True)]


def check_graph(graph: bytes, samples: list[dict[str, Any]]) -> None:
    """TrainingError unless the graph gives the trained model's forecasts, all at once and one at a time."""
    session = open_session(graph)
    window, baseline, scale, expected = (
        np.asarray([sample[name] for sample in samples], np.float32) for name in ("window", "baseline", "scale", "forecast")
    )
    together = run_graph(session, window, baseline, scale)
    alone = [run_graph(session, window[i : i + 1], baseline[i : i + 1], scale[i : i + 1])[0] for i in range(len(samples))]
    allowed = TOLERANCE * np.minimum(1.0, np.maximum(np.abs(scale), np.abs(expected)))
    for forecasts in (together, np.asarray(alone)):
        if not (np.abs(forecasts - expected) <= allowed).all():
            raise TrainingError("the exported graph does not answer as the trained model does", hint="The champion stays.")


def _inputs(dataset: Dataset, rows: Integers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return dataset.windows(rows), dataset.baseline[rows].astype(np.float32), dataset.scale[rows].astype(np.float32)
