"""A bidirectional recurrent network over a window of bars: one number out.

Both directions read the whole window, and each is read out where it has seen all of it: the forward half at the last bar, the
backward half at the first. (Read out at the last bar, the backward half would have seen a single one.)

References: J. L. Elman, "Finding structure in time", Cognitive Science, 1990; M. Schuster and K. K. Paliwal, "Bidirectional
recurrent neural networks", IEEE Transactions on Signal Processing, 1997; N. Srivastava and others, "Dropout: a simple way to
prevent neural networks from overfitting", Journal of Machine Learning Research, 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from forecasting.models.model import NetworkSettings, network_model
from forecasting.models.recurrence import final_states


@dataclass(frozen=True, slots=True)
class BiRNNSettings(NetworkSettings):
    """The network's settings, chosen before training."""

    window: int = 24
    """Bars the network reads."""
    hidden: int = 32
    """Size of each direction's state."""
    layers: int = 2
    dropout: float = 0.1
    """Part of the states silenced in training, between layers and before the head."""

    def build(self, features: int) -> nn.Module:
        return BiRNN(features, self)


class BiRNN(nn.Module):
    """Standardised windows [N, W, F] in, forecasts [N] out."""

    def __init__(self, features: int, settings: BiRNNSettings) -> None:
        super().__init__()
        self.rnn = nn.RNN(
            input_size=features,
            hidden_size=settings.hidden,
            num_layers=settings.layers,
            nonlinearity="tanh",
            batch_first=True,
            bidirectional=True,
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(2 * settings.hidden, 1)
        # An untrained network forecasts 0, which is the baseline: learning can only start from there.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, windows: Tensor) -> Tensor:
        # The last layer's final states: forward at the last bar, backward at the first.
        if self.training:
            both = final_states(self.rnn, windows, self.dropout.p)
        else:
            _, states = self.rnn(windows)
            both = torch.cat((states[-2], states[-1]), dim=1)
        forecast: Tensor = self.head(self.dropout(both))
        return forecast.squeeze(1)


MODEL: Final = network_model(BiRNNSettings())
