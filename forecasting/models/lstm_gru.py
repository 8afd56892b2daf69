"""Gated recurrent networks over a window of bars, read out at the last bar: LSTM and GRU.

References: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation, 1997; K. Cho and others, "Learning
phrase representations using RNN encoder-decoder for statistical machine translation", 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from forecasting.models.model import NetworkSettings


@dataclass(frozen=True, slots=True)
class LstmGruSettings(NetworkSettings):
    """The network's settings, chosen before training."""

    kind: Literal["lstm", "gru"] = "lstm"
    window: int = 24
    """Bars the network reads."""
    hidden: int = 24
    dropout: float = 0.1
    """Part of the state silenced in training, before the head."""

    def build(self, features: int) -> nn.Module:
        return LstmGru(features, self)


class LstmGru(nn.Module):
    """Standardised windows [N, W, F] in, forecasts [N] out."""

    def __init__(self, features: int, settings: LstmGruSettings) -> None:
        super().__init__()
        kind = nn.LSTM if settings.kind == "lstm" else nn.GRU
        self.cells = kind(input_size=features, hidden_size=settings.hidden, batch_first=True)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.hidden, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, windows: Tensor) -> Tensor:
        states, _ = self.cells(windows)
        forecast: Tensor = self.head(self.dropout(states[:, -1]))
        return forecast.squeeze(1)
