"""Models by their names in config.json. Adding one is a file here, which has a `MODEL`, and its name in `node/model_names.py`."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from forecasting.models.model import Model, NetworkSettings, network_model
from node.errors import TrainingError
from node.model_names import MODEL_NAMES

__all__ = ["MODELS", "NETWORKS", "Model", "NetworkSettings", "get_model", "network_model"]


def _load(name: str) -> Model:
    """Read the registry entry of a model from its own file."""
    model: Model = import_module(f"{__name__}.{name}").MODEL
    return model


MODELS: Final = {name: _load(name) for name in MODEL_NAMES}

NETWORKS: Final = {name: model.settings for name, model in MODELS.items() if model.settings is not None}
"""Models of one network each, with the settings they are trained with."""


def get_model(name: str) -> Model:
    """Return the model of this name; TrainingError if there is none."""
    try:
        return MODELS[name]
    except KeyError:
        raise TrainingError(f"{name!r} is not a model; known are {', '.join(MODELS)}") from None
