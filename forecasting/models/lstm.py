"""Long short-term memory: the LSTM of `forecasting.models.lstm_gru`."""

from __future__ import annotations

from typing import Final

from forecasting.models.lstm_gru import LstmGruSettings
from forecasting.models.model import network_model

MODEL: Final = network_model(LstmGruSettings("lstm"))
