"""Three networks are trained; one of them, their average, or none is listened to (`forecasting.models.ensemble`)."""

from __future__ import annotations

from typing import Final

from torch import nn

from forecasting.models import birnn, gru, mlp
from forecasting.models.ensemble import Ensemble
from forecasting.models.model import Model

MEMBERS: Final = (birnn.MODEL, gru.MODEL, mlp.MODEL)
WINDOWS: Final = [member.window for member in MEMBERS]


def build(features: int) -> nn.Module:
    """Make the untrained networks for this many features."""
    return Ensemble([member.build(features) for member in MEMBERS], WINDOWS)


MODEL: Final = Model(max(WINDOWS), build)
