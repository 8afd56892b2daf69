"""Adam with decoupled weight decay, and a learning rate that is halved where nothing improves.

Both do to the last bit what `torch.optim.AdamW(fused=True)` and `ReduceLROnPlateau(factor=0.5, patience=1)` do, and call the same
functional update. Those classes import torch's compiler with their first step, which nothing here compiles with: 2.6 s and 70 MB in
every training process.

References: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETAS: Final = (0.9, 0.999)
EPSILON: Final = 1e-8

PLATEAU_FACTOR: Final = 0.5
PLATEAU_PATIENCE: Final = 1
"""Epochs without improvement that are let pass."""
PLATEAU_THRESHOLD: Final = 1e-4
"""Part of the best loss by which a smaller one must fall below it."""
LEAST_CHANGE: Final = 1e-8
"""A change of the learning rate that is not worth making."""


class AdamW:
    """Updates parameters in place, all of them in one fused call."""

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> None:
        self.learning_rate = learning_rate
        self._weight_decay = weight_decay
        self._parameters = list(parameters)
        self._moments: dict[nn.Parameter, tuple[Tensor, Tensor, Tensor]] = {}
        """First and second moment of the gradient, and how many steps they are made of."""

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        moved = [parameter for parameter in self._parameters if parameter.grad is not None]
        for parameter in moved:
            if parameter not in self._moments:
                self._moments[parameter] = (torch.zeros_like(parameter), torch.zeros_like(parameter), torch.zeros(()))
        adamw(
            [parameter.data for parameter in moved],
            [parameter.grad for parameter in moved if parameter.grad is not None],
            [self._moments[parameter][0] for parameter in moved],
            [self._moments[parameter][1] for parameter in moved],
            [],
            [self._moments[parameter][2] for parameter in moved],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.learning_rate,
            weight_decay=self._weight_decay,
            eps=EPSILON,
            maximize=False,
        )


class ReduceOnPlateau:
    """Halves an optimiser's learning rate when the loss has not become smaller for longer than is let pass."""

    def __init__(self, optimiser: AdamW) -> None:
        self._optimiser = optimiser
        self._best = math.inf
        self._waited = 0

    def step(self, loss: float) -> None:
        """Take note of an epoch's loss."""
        self._waited += 1
        if loss < self._best * (1 - PLATEAU_THRESHOLD):
            self._best, self._waited = loss, 0
        if self._waited > PLATEAU_PATIENCE:
            self._waited = 0
            smaller = self._optimiser.learning_rate * PLATEAU_FACTOR
            if self._optimiser.learning_rate - smaller > LEAST_CHANGE:
                self._optimiser.learning_rate = smaller
