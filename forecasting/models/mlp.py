"""A perceptron with hidden layers over the newest bars, flattened.

Reference: D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning representations by back-propagating errors", Nature, 1986.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import Tensor, nn

from forecasting.models.model import NetworkSettings, network_model


@dataclass(frozen=True, slots=True)
class MLPSettings(NetworkSettings):
    """The network's settings, chosen before training."""

    window: int = 4
    """Bars the network reads; what is older, the features say."""
    hidden: int = 48
    layers: int = 2
    dropout: float = 0.1

    def build(self, features: int) -> nn.Module:
        return MLP(features, self)


class MLP(nn.Module):
    """Standardised windows [N, W, F] in, forecasts [N] out."""

    def __init__(self, features: int, settings: MLPSettings) -> None:
        super().__init__()
        width, parts = settings.window * features, []
        for _ in range(settings.layers):
            parts += [nn.Linear(width, settings.hidden), nn.SiLU(), nn.Dropout(settings.dropout)]
            width = settings.hidden
        self.hidden = nn.Sequential(*parts)
        self.head = nn.Linear(width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, windows: Tensor) -> Tensor:
        forecast: Tensor = self.head(self.hidden(windows.flatten(1)))
        return forecast.squeeze(1)


MODEL: Final = network_model(MLPSettings())
