"""A model as the registry has it: a baseline, plus a regression on the newest bar's features, plus a network's correction.

Each model is a file of its own whose `MODEL` says which of these parts it has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from forecasting.models.zero_network import ZeroNetwork
from node.topics import Target


@dataclass(frozen=True, slots=True)
class NetworkSettings(ABC):
    """Settings of a network: they are chosen before training, and they build the network."""

    @property
    @abstractmethod
    def window(self) -> int:
        """Bars the network reads."""

    @abstractmethod
    def build(self, features: int) -> nn.Module:
        """Make an untrained network for this many features."""


def build_zero_network(features: int) -> nn.Module:
    """Make the network of a model that has none."""
    return ZeroNetwork()


@dataclass(frozen=True, slots=True)
class Model:
    """`build` makes an untrained network, windows [N, W, F] in and forecasts [N] out, for F features; `window` is its W.

    `regression` says how the newest bar's features are regressed on, None where they are not. `features` replaces the target's
    default ones where it is given. `plain` models are served as the literature has them: without shrinkage, without a correction of
    levels. `settings` are those of the network, None where a model has no network or several.
    """

    window: int
    build: Callable[[int], nn.Module]
    regression: Literal["ridge", "least squares"] | None = "ridge"
    features: tuple[str, ...] | None = None
    targets: tuple[Target, ...] = tuple(Target)
    plain: bool = False
    settings: NetworkSettings | None = None

    @property
    def has_network(self) -> bool:
        """False where there is nothing to learn but a regression."""
        return self.build is not build_zero_network


def network_model(settings: NetworkSettings) -> Model:
    """Make the model of one network: it corrects a ridge regression."""
    return Model(settings.window, settings.build, settings=settings)


def least_squares_model(*features: str, targets: tuple[Target, ...], plain: bool = False) -> Model:
    """Make the model of a regression without penalty on these features."""
    return Model(1, build_zero_network, regression="least squares", features=features, targets=targets, plain=plain)


def baseline_model(*targets: Target) -> Model:
    """Make the model that forecasts the baseline of these targets. A graph needs a feature to read, so it is given one."""
    return Model(1, build_zero_network, regression=None, features=("scaled_return_1",), targets=targets)
