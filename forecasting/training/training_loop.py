"""The training loop: batches in random order, early stopping on a part of time that comes after.

Everything that is random is drawn from one seed, on one thread, so that the same data give the same weights to the last bit.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from forecasting.training.optimiser import AdamW, ReduceOnPlateau
from node.errors import TrainingError

Loss = Callable[[Tensor, Tensor], Tensor]
"""(forecasts [N], targets) → the mean loss."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Settings of a training, whatever the network."""

    batch: int = 256
    """Windows a step learns from."""
    steps_per_epoch: int = 32
    """Where there are too few windows for as many steps, batches are smaller, but not below 32 windows."""
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    max_gradient_norm: float = 1.0
    """Norm to which gradients are clipped."""
    patience: int = 5
    """Epochs without improvement on the validation part after which training stops."""
    windows_per_epoch: int = 16_384
    """Neighbouring windows are nearly alike: an epoch takes every k-th, the next one those in between."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands after an epoch. Losses are means of what is minimised, on scaled targets."""

    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows without a copy of them: standardised `features` [n, F], and for each window the row it ends at and its target, [N] or
    whatever else the loss reads, [N, …]."""

    features: Tensor
    rows: Tensor
    targets: Tensor
    length: int

    def __len__(self) -> int:
        return len(self.rows)

    def every(self, stride: int, offset: int = 0) -> Windows:
        """Every `stride`-th window."""
        return Windows(self.features, self.rows[offset::stride], self.targets[offset::stride], self.length)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Windows [B, W, F] and targets [B]."""
        reach = torch.arange(1 - self.length, 1)
        return self.features[self.rows[index].unsqueeze(1) + reach], self.targets[index]


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """One thread and one seed; everything as it was afterwards.

    On one thread of a CPU every operation of these networks is deterministic as it is, and a test holds two trainings to equal
    bytes; `torch.use_deterministic_algorithms` would change nothing but import torch's compiler.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def training_step(
    network: nn.Module,
    optimiser: AdamW,
    windows: Tensor,
    targets: Tensor,
    max_gradient_norm: float,
    loss: Loss = nn.functional.mse_loss,
) -> Tensor:
    """One step on a batch; the loss before it."""
    optimiser.zero_grad()
    value = loss(network(windows), targets)
    torch.autograd.backward(value)
    nn.utils.clip_grad_norm_(network.parameters(), max_gradient_norm)
    optimiser.step()
    return value.detach()


def make_optimiser(network: nn.Module, settings: FitSettings) -> AdamW:
    """Adam with decoupled weight decay, all parameters in one fused update."""
    return AdamW(network.parameters(), settings.learning_rate, settings.weight_decay)


def fit(
    network: nn.Module,
    training: Windows,
    validation: Windows,
    settings: FitSettings,
    *,
    max_epochs: int,
    loss: Loss = nn.functional.mse_loss,
    on_progress: Callable[[Progress], None] | None = None,
) -> None:
    """Train in place and leave the weights that did best on the validation part, which may be those it came with.

    TrainingError if the loss stops being a number.
    """
    started = time.perf_counter()
    optimiser = make_optimiser(network, settings)
    schedule = ReduceOnPlateau(optimiser)
    stride = -(-len(training) // settings.windows_per_epoch)
    validation = validation.every(-(-len(validation) // settings.windows_per_epoch))
    best_loss, best, waited = mean_loss(network, validation, loss), copy.deepcopy(network.state_dict()), 0
    for epoch in range(1, max_epochs + 1):
        train_loss = _epoch(network, optimiser, training.every(stride, (epoch - 1) % stride), settings, loss)
        validation_loss = mean_loss(network, validation, loss)
        if not (torch.isfinite(torch.tensor([train_loss, validation_loss])).all()):
            raise TrainingError(f"the loss is no number any more in epoch {epoch}", hint="The champion stays.")
        schedule.step(validation_loss)
        if on_progress:
            on_progress(Progress(epoch, max_epochs, train_loss, validation_loss, time.perf_counter() - started))
        waited += 1
        if validation_loss < best_loss:
            best_loss, best, waited = validation_loss, copy.deepcopy(network.state_dict()), 0
        if waited >= settings.patience:
            break
    network.load_state_dict(best)
    network.eval()


def _epoch(network: nn.Module, optimiser: AdamW, windows: Windows, settings: FitSettings, loss: Loss) -> float:
    network.train()
    batch = min(settings.batch, max(32, len(windows) // settings.steps_per_epoch))
    losses = [
        training_step(network, optimiser, *windows.batch(index), settings.max_gradient_norm, loss)
        for index in torch.split(torch.randperm(len(windows)), batch)
    ]
    return float(torch.stack(losses).mean())


@torch.no_grad()
def mean_loss(network: nn.Module, windows: Windows, loss: Loss) -> float:
    """The loss over all of `windows`."""
    return float(loss(predict(network, windows), windows.targets))


@torch.no_grad()
def predict(network: nn.Module, windows: Windows, batch: int = 2048) -> Tensor:
    """Return the network's forecasts [N], without dropout."""
    network.eval()
    pieces = [network(windows.batch(index)[0]) for index in torch.split(torch.arange(len(windows)), batch)]
    return torch.cat(pieces)
