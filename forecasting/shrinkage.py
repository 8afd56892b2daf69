"""How far to trust a network: the factor by which its answer is shrunk towards the baseline.

Fitted on a part of time that lies after everything the network has learned from. On scaled targets z and answers f, least squares
without intercept gives λ = Σfz / Σf², and the factor is λ·(1 - (c·se/λ)²), cut to [0, 1]: without evidence beyond c standard errors
it is exactly 0 and the forecast exactly the baseline; with overwhelming evidence it is λ.

Source: L. Breiman, "Better subset regression using the nonnegative garrote", 1995.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from forecasting.bars import Floats
from forecasting.significance import variance_of_mean

CAUTION: Final = 2.0
"""Standard errors of evidence below which a network is not believed at all."""


def fit_shrinkage(truth: Floats, answer: Floats, steps: int) -> float:
    """The factor in [0, 1] for a network's answers [n] to scaled targets [n], on consecutive bars whose horizons overlap."""
    size = float(np.mean(answer**2))
    if len(truth) < 2 or size == 0 or not math.isfinite(size):
        return 0.0
    slope = float(np.mean(answer * truth)) / size
    if slope <= 0:
        return 0.0
    error = math.sqrt(variance_of_mean(answer * (truth - slope * answer), steps)) / size
    garrote = 1 - (CAUTION * error / slope) ** 2
    return float(np.clip(slope * garrote, 0.0, 1.0))
