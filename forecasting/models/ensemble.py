"""Several networks trained side by side, of which one, their average, or none is listened to.

Who is listened to is decided on the calibration part, which none of them has learned from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from forecasting.arrays import Floats


class Ensemble(nn.Module):
    """Standardised windows [N, W, F] in, forecasts [N] out: the members' forecasts, weighted by `votes`."""

    votes: Tensor

    def __init__(self, members: Sequence[nn.Module], windows: Sequence[int]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.windows = tuple(windows)
        self.register_buffer("votes", torch.full((len(members),), 1 / len(members)))

    def forward(self, windows: Tensor) -> Tensor:
        forecasts = [member(windows[:, -length:]) for member, length in zip(self.members, self.windows, strict=True)]
        return torch.stack(forecasts, dim=1) @ self.votes


def choose_votes(residuals: Floats, forecasts: Sequence[Floats]) -> Floats:
    """Choose the member whose forecasts [n] err least of the residuals [n], or the average of all if that errs less.

    Returns a vote for each member; the votes sum to 1.
    """
    count = len(forecasts)
    options = [np.eye(count)[number] for number in range(count)] + [np.full(count, 1 / count)]
    together = np.stack(forecasts, axis=1)
    return min(options, key=lambda votes: float(np.mean((residuals - together @ votes) ** 2)))
