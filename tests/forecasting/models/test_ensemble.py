"""Who is listened to among several networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from forecasting.models.ensemble import Ensemble, choose_votes


class Newest(nn.Module):
    """Forecasts a multiple of the newest bar's first feature, plus how many bars it was given."""

    def __init__(self, multiple: float) -> None:
        super().__init__()
        self.multiple = multiple

    def forward(self, windows: Tensor) -> Tensor:
        return self.multiple * windows[:, -1, 0] + windows.shape[1]


def test_the_member_that_errs_least_is_listened_to_alone() -> None:
    residuals = np.random.default_rng(0).normal(size=200)
    votes = choose_votes(residuals, [0.2 * residuals, 0.9 * residuals, -residuals])
    np.testing.assert_array_equal(votes, [0, 1, 0])


def test_all_are_listened_to_where_their_average_errs_less_than_each() -> None:
    noise = np.random.default_rng(0)
    residuals = noise.normal(size=500)
    votes = choose_votes(residuals, [residuals + noise.normal(size=500) for _ in range(3)])
    np.testing.assert_array_equal(votes, np.full(3, 1 / 3))


def test_of_equal_members_the_first_is_listened_to() -> None:
    residuals = np.ones(10)
    np.testing.assert_array_equal(choose_votes(residuals, [0 * residuals, 0 * residuals]), [1, 0])


@pytest.mark.parametrize(("votes", "expected"), [([1.0, 0.0], 2 * 5.0 + 3), ([0.0, 1.0], -5.0 + 1), ([0.5, 0.5], (13 - 4) / 2)])
def test_members_read_their_own_windows_and_count_by_their_votes(votes: list[float], expected: float) -> None:
    ensemble = Ensemble([Newest(2.0), Newest(-1.0)], [3, 1])
    ensemble.votes.copy_(torch.tensor(votes))
    windows = torch.zeros(4, 3, 2)
    windows[:, -1, 0] = 5.0
    torch.testing.assert_close(ensemble(windows), torch.full((4,), expected))
