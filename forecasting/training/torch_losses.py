"""The losses as something to descend: the same curves as in `forecasting.evaluation.losses`, for torch.

A network adds a correction to a regression's prediction. Its targets are therefore two columns [N, 2]: what came, and what the
regression predicted, both in scales; the loss is that of prediction and correction together. All are smooth enough for gradient
descent: `mae`, `zptae` and `ztae` have a corner where a forecast is exact, `czar` bends where actual or forecast change sign, and
nothing else breaks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from forecasting.evaluation.losses import CZAR_ALPHA, HUBER_DELTA, ZPTAE_PENALTY, ZPTAE_POWER
from forecasting.training.training_loop import Loss

_DELTA: Final = CZAR_ALPHA / math.sqrt(3)
_CURVE: Final = 1 + _DELTA**2


def squared(actual: Tensor, forecast: Tensor) -> Tensor:
    """`mse`."""
    return nn.functional.mse_loss(forecast, actual)


def absolute(actual: Tensor, forecast: Tensor) -> Tensor:
    """`mae`."""
    return nn.functional.l1_loss(forecast, actual)


def huber(actual: Tensor, forecast: Tensor) -> Tensor:
    """Squared up to one scale, absolute beyond."""
    return nn.functional.huber_loss(forecast, actual, delta=HUBER_DELTA)


def zptae(actual: Tensor, forecast: Tensor) -> Tensor:
    """Absolute error after a power-law tanh."""
    bent = [values / (1 + values**2) ** ((1 - ZPTAE_POWER) / 2) for values in (actual, forecast)]
    return ((bent[1] - bent[0]).abs() + (ZPTAE_PENALTY * (forecast - actual)) ** 4).mean()


def czar(actual: Tensor, forecast: Tensor) -> Tensor:
    """Composite zero-agnostic return loss, without the constant that no forecast can change."""
    size, aligned = actual.abs(), forecast * torch.where(actual >= 0, 1.0, -1.0)
    whole = _rise(size)
    bend = torch.minimum(_bend(torch.zeros_like(size)), _bend(size))
    wrong_side = _bend(torch.zeros_like(size)) * aligned**2 / 2 - aligned + whole
    too_short = whole - _rise(aligned.clamp(min=0.0))
    too_far = bend * (aligned - size) ** 2 / 2 + _CURVE / (1 + (size + _DELTA) ** 2) * (aligned - size)
    return torch.where(aligned <= 0, wrong_side, torch.where(aligned <= size, too_short, too_far)).mean()


def _rise(z: Tensor) -> Tensor:
    return _CURVE * (torch.atan(z + _DELTA) - math.atan(_DELTA))


def _bend(z: Tensor) -> Tensor:
    return _CURVE * 2 * (z + _DELTA) / (1 + (z + _DELTA) ** 2) ** 2


def ztae(actual: Tensor, forecast: Tensor) -> Tensor:
    """Absolute error after a tanh."""
    return (forecast.tanh() - actual.tanh()).abs().mean()


TORCH_LOSSES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "mse": squared, "mae": absolute, "huber": huber, "zptae": zptae, "ztae": ztae, "czar": czar,
}  # fmt: skip
"""(actual [N], forecast [N]), both in scales → mean loss."""


def correction_loss(name: str, target_std: float) -> Loss:
    """Make the loss of a network whose forecasts, in multiples of `target_std`, are added to what a regression predicts."""
    measure = TORCH_LOSSES[name]

    def loss(corrections: Tensor, targets: Tensor) -> Tensor:
        actual, predicted = targets.unbind(dim=1)
        if name == "mse":
            # In standard deviations, where ordinary targets have the size of 1: the settings of the optimiser suit that.
            return measure((actual - predicted) / target_std, corrections)
        return measure(actual, predicted + target_std * corrections)

    return loss
