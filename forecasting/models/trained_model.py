"""A trained model as it is exported: scaler, ridge regression, network, and the weights by which both are shrunk."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from forecasting.arrays import Floats

NORMAL_INTERQUARTILE_RANGE: Final = 1.349
"""Interquartile range of a normal distribution, in its deviations."""

MIN_FEATURE_DEVIATION: Final = 1e-6
"""Deviation of a feature, in its own unit, up to which it is taken for one that never moves."""

MAX_FEATURE_DEVIATIONS: Final = 5.0
"""Deviations from its centre at which a feature is cut, so that one crash bar drives the network nowhere it has never been."""


class Standardise(nn.Module):
    """Features [N, W, F] become deviations from their centre on training rows. The scaler is a part of the model.

    scikit-learn's `RobustScaler(unit_variance=True)` divides by 1.34898, which would change every checkpoint's bytes, and has no
    second measure for a feature that hardly ever moves.
    """

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
        deviation = (high - low) / NORMAL_INTERQUARTILE_RANGE
        deviation = np.where(deviation > MIN_FEATURE_DEVIATION, deviation, rows.std(axis=0))
        deviation = np.where(deviation > MIN_FEATURE_DEVIATION, deviation, 1.0)
        self.centre.copy_(torch.from_numpy(middle))
        self.deviation.copy_(torch.from_numpy(deviation))

    def forward(self, features: Tensor) -> Tensor:
        return torch.clamp((features - self.centre) / self.deviation, -MAX_FEATURE_DEVIATIONS, MAX_FEATURE_DEVIATIONS)


class TrainedModel(nn.Module):
    """Raw windows in, forecasts in model space out.

    baseline + target_std × scale × (ridge_weight × ridge(newest bar) + network_weight × network(window)) + correction, where ridge
    regression and network see standardised features: the network says only what the regression cannot. With both shrinkage weights
    at zero it is exactly the baseline.

    The buffers keep the names that they have in every checkpoint on disk: `unit` is target_std, `line_…` belongs to the regression,
    `line_trust` and `network_trust` are the shrinkage weights, `offset` is the smearing correction of a volatility's level.
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
        """The greater of the two shrinkage weights: 0 is exactly the baseline, 1 is a forecast that is believed in full."""
        return max(float(self.line_trust), float(self.network_trust))

    def shrink_to_baseline(self) -> None:
        """Believe nothing that was learned."""
        for part in (self.line_trust, self.network_trust, self.offset):
            part.zero_()

    def forward(self, window: Tensor, baseline: Tensor, scale: Tensor) -> Tensor:
        standardised = self.standardise(window)
        ridge = standardised[:, -1] @ self.line_weights + self.line_bias
        move: Tensor = self.line_trust * ridge + self.network_trust * self.network(standardised)
        return baseline + self.unit * scale * move + self.offset
