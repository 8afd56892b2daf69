"""The losses of a topic: the loss of every single forecast, shape [n], in two forms.

*For fitting* (`LOSSES`): smooth, in multiples of a short trailing scale. Networks train on them, and their mean is the first figure
of every score. *As scored* (`as_scored`): what reputers compute. There `czar` has α = 0.01; σ is the deviation of the last hundred
returns of the topic's horizon (`forecasting.dataset.long_deviation`); and the chain works on the logarithm of each loss, so that a
figure is a mean of logarithms, in which forecasts that come very near count for much.

All take truth and forecast as deviations from the baseline, and `scale`, the ordinary size of such a deviation. `mse` and `mae` are
in the units of what is paid for; the others in multiples of the scale, as the network defines them.

For the target price the judge works on log returns. The network squares errors of the price itself, which weighs an hour by its
squared price: the same ordering to a few parts in a thousand, without a level that drifts.

Sources: the Allora network's research notes on losses for returns (ZPTAE with outlier penalty; CZAR), and its public code for what
is scored (November 2026; production reputers are private); P. J. Huber, "Robust estimation of a location parameter", 1964.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from forecasting.arrays import Floats
from node.errors import ForecastError

Loss = Callable[[Floats, Floats, Floats], Floats]
"""(truth, forecast, scale), each [n] → loss [n]."""

HUBER_DELTA: Final = 1.0
ZPTAE_POWER: Final = 0.25
ZPTAE_PENALTY: Final = 0.01
CZAR_ALPHA: Final = 1.0
"""For fitting."""
CZAR_SCORED_ALPHA: Final = 0.01
CZAR_GRADED_ALPHA: Final = 0.0
CZAR_EPSILON: Final = 1.0
CZAR_TAU: Final = 0.05
CZAR_GRADED_TAU: Final = 0.1
LEAST_LOSS: Final = 1e-100
"""What the network's package adds before it takes the logarithm."""


def squared(actual: Floats, forecast: Floats, scale: Floats) -> Floats:
    """`mse`, before the mean."""
    return (forecast - actual) ** 2


def absolute(actual: Floats, forecast: Floats, scale: Floats) -> Floats:
    """`mae`, before the mean."""
    return np.abs(forecast - actual)


def huber(actual: Floats, forecast: Floats, scale: Floats) -> Floats:
    """Squared up to one scale, absolute beyond."""
    error = np.abs(forecast - actual) / scale
    return np.where(error <= HUBER_DELTA, error**2 / 2, HUBER_DELTA * (error - HUBER_DELTA / 2))


def zptae(actual: Floats, forecast: Floats, scale: Floats) -> Floats:
    """Absolute error after a power-law tanh, plus a penalty that only absurd forecasts feel."""
    z_truth, z_forecast = actual / scale, forecast / scale
    penalty = (ZPTAE_PENALTY * np.abs(z_forecast - z_truth)) ** 4
    return np.abs(_power_tanh(z_forecast) - _power_tanh(z_truth)) + penalty


def ztae(actual: Floats, forecast: Floats, scale: Floats) -> Floats:
    """Absolute error after a tanh: beyond a large move, forecasts are hardly told apart."""
    distance: Floats = np.abs(np.tanh(forecast / scale) - np.tanh(actual / scale))
    return distance


def czar(actual: Floats, forecast: Floats, scale: Floats) -> Floats:
    """Composite zero-agnostic return loss: a forecast that falls short of a move costs the more the larger the move.

    Next to zero the truth has no direction worth speaking of, so there a constant is added that fades as the truth becomes a move;
    no forecast can do anything about it, but it keeps the loss from vanishing, whose logarithm the network takes.
    """
    return _czar(actual / scale, forecast / scale, CZAR_ALPHA)


def czar_scored(actual: Floats, forecast: Floats, scale: Floats) -> Floats:
    """The same with the α that reputers use."""
    return _czar(actual / scale, forecast / scale, CZAR_SCORED_ALPHA)


def czar_graded(actual: Floats, forecast: Floats, scale: Floats | float) -> Floats:
    """The same with the α and τ that the builder kit grades with."""
    return _czar(actual / scale, forecast / scale, CZAR_GRADED_ALPHA, CZAR_GRADED_TAU)


def _czar(z_truth: Floats, z_forecast: Floats, alpha: float, temperature: float = CZAR_TAU) -> Floats:
    delta = alpha / math.sqrt(3)
    curve = 1 + delta**2
    softening = float(_rise(0.0, CZAR_EPSILON, delta, curve))
    left = 1 - _rise(0.0, np.abs(z_truth), delta, curve) / softening
    tau = temperature * abs(1 - curve * math.atan2(1, delta) / softening)
    nearness = np.logaddexp(0, left / tau) / np.logaddexp(0, 1 / tau)
    loss: Floats = _czar_unsoftened(z_truth, z_forecast, delta, curve) + nearness * softening
    return loss


def _czar_unsoftened(actual: Floats, forecast: Floats, delta: float, curve: float) -> Floats:
    sign = np.where(actual >= 0, 1.0, -1.0)
    # Both from the side on which the truth lies: `said` is negative on the wrong side.
    size, said = np.abs(actual), sign * forecast
    whole = _rise(0.0, size, delta, curve)
    bend = np.minimum(_bend(0.0, delta, curve), _bend(size, delta, curve))
    wrong_side = _bend(0.0, delta, curve) * said**2 / 2 - said + whole
    too_short = _rise(np.clip(said, 0.0, size), size, delta, curve)
    too_far = bend * (said - size) ** 2 / 2 + curve / (1 + (size + delta) ** 2) * (said - size)
    loss: Floats = np.where(said <= 0, wrong_side, np.where(said <= size, too_short, too_far))
    return loss


def _rise(low: Floats | float, high: Floats | float, delta: float, curve: float) -> Any:
    """What a forecast of `low` loses on a truth of `high`, where 0 <= low <= high.

    That is a difference of two arctangents, which loses its digits where a forecast is nearly right and its logarithm is taken;
    hence one arctangent of a quotient."""
    return curve * np.arctan(np.subtract(high, low) / (1 + np.add(high, delta) * np.add(low, delta)))


def _bend(z: Floats | float, delta: float, curve: float) -> Any:
    """Size of the second derivative of that at z."""
    return curve * 2 * np.add(z, delta) / (1 + np.add(z, delta) ** 2) ** 2


def _power_tanh(z: Floats) -> Floats:
    """Like tanh near zero, then growing as a quarter's power instead of saturating."""
    return np.divide(z, (1 + z**2) ** ((1 - ZPTAE_POWER) / 2))


LOSSES: Final[dict[str, Loss]] = {"mse": squared, "mae": absolute, "huber": huber, "zptae": zptae, "ztae": ztae, "czar": czar}
"""For fitting."""

SCALED: Final = ("huber", "zptae", "ztae", "czar")
"""Those that need a scale."""

_SCORED: Final[dict[str, Loss]] = LOSSES | {"czar": czar_scored}


def loss_of(name: str) -> Loss:
    """The loss by its name in config.json; ForecastError if there is none."""
    try:
        return LOSSES[name]
    except KeyError:
        raise ForecastError(f"{name!r} is not a loss; known are {', '.join(LOSSES)}") from None


def as_scored(name: str) -> Loss:
    """What the chain makes of a loss: its decimal logarithm, by (truth, forecast, σ); ForecastError if there is no such loss."""
    loss_of(name)

    def logarithm(actual: Floats, forecast: Floats, scale: Floats) -> Floats:
        logs: Floats = np.log10(_SCORED[name](actual, forecast, scale) + LEAST_LOSS)
        return logs

    return logarithm
