"""Names of models and losses that config.json may ask for.

They stand here, where there is no torch, so that every process can check a configuration. `forecasting/models/` has a file for each
model, `forecasting.evaluation.losses` and `forecasting.training.torch_losses` have a formula for each loss.
"""

from __future__ import annotations

from typing import Final

MODEL_NAMES: Final = (
    "birnn", "lstm", "gru", "mlp", "conv_lstm", "auto", "linear", "har", "ewma", "persistence", "trailing_volatility",
)  # fmt: skip

LOSS_NAMES: Final = ("mse", "mae", "huber", "zptae", "ztae", "czar")
