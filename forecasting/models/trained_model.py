"""A trained model as it is exported: scaler, ridge regression, network, and how far each is believed."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from forecasting.arrays import Floats

NORMAL_QUARTILES: Final = 1.349
"""Interquartile range of a normal distribution, in its deviations."""

SMALLEST_DEVIATION: Final = 1e-6

WILDEST_FEATURE: Final = 5.0
"""Deviations from its centre at which a feature is cut, so that one crash bar drives the network nowhere it has never been."""


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
