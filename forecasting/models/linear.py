"""Ridge regression on the newest bar's features (`forecasting.models.ridge`), and nothing else."""

from __future__ import annotations

from typing import Final

from forecasting.models.model import Model, build_zero_network

MODEL: Final = Model(1, build_zero_network)
