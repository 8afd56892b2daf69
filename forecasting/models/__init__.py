"""Networks by their name in config.json. Adding one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from torch import nn

from forecasting.models.birnn import BiRNN, BiRNNSettings
from node.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Model:
    """`build` makes an untrained network, windows [N, W, F] in and answers [N] out, for F features; `window` is its W."""

    window: int
    build: Callable[[int], nn.Module]


def _birnn(settings: BiRNNSettings) -> Model:
    return Model(settings.window, lambda features: BiRNN(features, settings))


MODELS: Final[dict[str, Model]] = {"birnn": _birnn(BiRNNSettings())}


def model_named(name: str) -> Model:
    """TrainingError if there is none of this name."""
    try:
        return MODELS[name]
    except KeyError:
        raise TrainingError(f"{name!r} is not a model; known are {', '.join(MODELS)}") from None
