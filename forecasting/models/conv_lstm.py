"""Convolutions find short patterns of bars, an LSTM reads them in order.

References: Y. LeCun and others, "Backpropagation applied to handwritten zip code recognition", Neural Computation, 1989;
T. N. Sainath and others, "Convolutional, long short-term memory, fully connected deep neural networks", 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import Tensor, nn

from forecasting.models.model import NetworkSettings, network_model


@dataclass(frozen=True, slots=True)
class ConvLSTMSettings(NetworkSettings):
    """The network's settings, chosen before training."""

    window: int = 24
    """Bars the network reads."""
    channels: int = 24
    """Patterns looked for."""
    reach: int = 3
    """Bars of a pattern."""
    hidden: int = 24
    dropout: float = 0.1

    def build(self, features: int) -> nn.Module:
        return ConvLSTM(features, self)


class ConvLSTM(nn.Module):
    """Standardised windows [N, W, F] in, forecasts [N] out."""

    def __init__(self, features: int, settings: ConvLSTMSettings) -> None:
        super().__init__()
        self.patterns = nn.Conv1d(features, settings.channels, settings.reach)
        self.cells = nn.LSTM(settings.channels, settings.hidden, batch_first=True)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.hidden, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, windows: Tensor) -> Tensor:
        found = nn.functional.silu(self.patterns(windows.transpose(1, 2)))
        states, _ = self.cells(found.transpose(1, 2))
        forecast: Tensor = self.head(self.dropout(states[:, -1]))
        return forecast.squeeze(1)


MODEL: Final = network_model(ConvLSTMSettings())
