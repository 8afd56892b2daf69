"""Several networks trained side by side, of which one, their average, or none is listened to.

Who is listened to is decided on the calibration part, which none of them has learned from.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Standardised windows [N, W, F] in, answers [N] out: the members' answers, weighted by `votes`."""

    votes: Tensor

    def __init__(self, members: Sequence[nn.Module], windows: Sequence[int]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.windows = tuple(windows)
        self.register_buffer("votes", torch.full((len(members),), 1 / len(members)))

    def forward(self, windows: Tensor) -> Tensor:
        answers = [member(windows[:, -length:]) for member, length in zip(self.members, self.windows, strict=True)]
        return torch.stack(answers, dim=1) @ self.votes
