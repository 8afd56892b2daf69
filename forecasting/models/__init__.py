"""Models by their name in config.json. Adding one is one file and one line here.

A model is a baseline, plus a line through the newest bar's features, plus a network's correction; each names the parts it has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from torch import nn

from forecasting.models.birnn import BiRNN, BiRNNSettings
from forecasting.models.conv_lstm import ConvLSTM, ConvLSTMSettings
from forecasting.models.ensemble import Ensemble
from forecasting.models.lstm_gru import LstmGru, LstmGruSettings
from forecasting.models.mlp import MLP, MLPSettings
from forecasting.models.zero_network import ZeroNetwork
from node.errors import TrainingError
from node.topics import Target

RETURNS: Final = (Target.PRICE, Target.LOG_RETURN)
VOLATILITY: Final = (Target.VOLATILITY,)


@dataclass(frozen=True, slots=True)
class Model:
    """`build` makes an untrained network, windows [N, W, F] in and answers [N] out, for F features; `window` is its W.

    `line` says how the line is fitted, None where there is none. `features` replaces the target's default ones where it is given.
    `plain` models are taken at their word, as the literature has them: no shrinking, no correction of levels.
    """

    window: int
    build: Callable[[int], nn.Module]
    line: Literal["ridge", "least squares"] | None = "ridge"
    features: tuple[str, ...] | None = None
    targets: tuple[Target, ...] = tuple(Target)
    plain: bool = False

    @property
    def has_network(self) -> bool:
        """False where there is nothing to learn but a line."""
        return self.build is not _nothing


def _nothing(features: int) -> nn.Module:
    return ZeroNetwork()


Settings = BiRNNSettings | LstmGruSettings | MLPSettings | ConvLSTMSettings


def network_model(settings: Settings) -> Model:
    """The model of the network that these settings are for."""
    match settings:
        case BiRNNSettings():
            return Model(settings.window, lambda features: BiRNN(features, settings))
        case LstmGruSettings():
            return Model(settings.window, lambda features: LstmGru(features, settings))
        case MLPSettings():
            return Model(settings.window, lambda features: MLP(features, settings))
        case ConvLSTMSettings():
            return Model(settings.window, lambda features: ConvLSTM(features, settings))


def _auto(*members: Model) -> Model:
    windows = [member.window for member in members]
    return Model(max(windows), lambda features: Ensemble([member.build(features) for member in members], windows))


def _line(*features: str, targets: tuple[Target, ...], plain: bool = False) -> Model:
    return Model(1, _nothing, line="least squares", features=features, targets=targets, plain=plain)


def _baseline(*targets: Target) -> Model:
    return Model(1, _nothing, line=None, features=("scaled_return_1",), targets=targets)


_HAR: Final = tuple(f"log_standard_deviation_{span}" for span in (5, 15, 60, 240, 1440))
_EWMA: Final = (
    "log_decaying_volatility_10", "log_decaying_volatility_40", "decaying_return_10", "decaying_return_40",
)  # fmt: skip

NETWORKS: Final[dict[str, Settings]] = {
    "birnn": BiRNNSettings(),
    "lstm": LstmGruSettings("lstm"),
    "gru": LstmGruSettings("gru"),
    "mlp": MLPSettings(),
    "conv_lstm": ConvLSTMSettings(),
}
"""Models of one network each, with the settings they are trained with."""

MODELS: Final[dict[str, Model]] = {
    **{name: network_model(settings) for name, settings in NETWORKS.items()},
    "auto": _auto(*(network_model(NETWORKS[name]) for name in ("birnn", "gru", "mlp"))),
    "linear": Model(1, _nothing),
    "har": _line(*_HAR, targets=VOLATILITY, plain=True),
    "ewma": _line(*_EWMA, targets=tuple(Target)),
    "persistence": _baseline(*Target),
    "trailing_volatility": _baseline(*VOLATILITY),
}


def model_named(name: str) -> Model:
    """TrainingError if there is none of this name."""
    try:
        return MODELS[name]
    except KeyError:
        raise TrainingError(f"{name!r} is not a model; known are {', '.join(MODELS)}") from None
