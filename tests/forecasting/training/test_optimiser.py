"""The optimiser is torch's own to the last bit, without torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from forecasting.training.optimiser import AdamW, ReduceOnPlateau
from tests.support.paths import ROOT

TRAINING = """
import sys, torch
from torch import nn
from forecasting.training.training_loop import FitSettings, Windows, fit, reproducible
with reproducible(1):
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 1), nn.Flatten(0))
    windows = Windows(torch.randn(200, 3), torch.arange(2, 200), torch.randn(198), 2)
    before = network[1].weight.clone()
    fit(network, windows, windows, FitSettings(), max_epochs=2)
    assert not torch.equal(before, network[1].weight)
print([name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules])
"""


def a_network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


@pytest.mark.parametrize("seed", range(3))
def test_every_step_is_that_of_torchs_own_class_to_the_last_bit(seed: int) -> None:
    ours, theirs = a_network(seed), a_network(seed)
    optimiser = AdamW(ours.parameters(), 2e-3, 1e-3)
    reference = torch.optim.AdamW(theirs.parameters(), lr=2e-3, weight_decay=1e-3, fused=True)
    schedule, rule = ReduceOnPlateau(optimiser), torch.optim.lr_scheduler.ReduceLROnPlateau(reference, factor=0.5, patience=1)
    noise = torch.Generator().manual_seed(seed)
    for number in range(60):
        inputs, targets = torch.randn(16, 4, generator=noise), torch.randn(16, 1, generator=noise)
        for network, stepper in ((ours, optimiser), (theirs, reference)):
            stepper.zero_grad()
            nn.functional.mse_loss(network(inputs), targets).backward()
            stepper.step()
        loss = float(torch.rand((), generator=noise)) if number % 3 else 0.5
        schedule.step(loss)
        rule.step(loss)
        assert optimiser.learning_rate == reference.param_groups[0]["lr"]
        assert all(torch.equal(one, other) for one, other in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert optimiser.learning_rate < 2e-3


def test_a_training_imports_no_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", TRAINING], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
