"""Which features a model reads: a target's default ones or those that a topic chooses, as far as the history affords them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

from forecasting.dataset.calendar_features import WEEKDAYS
from forecasting.dataset.feature_catalogue import FEATURES, reads_leader
from forecasting.dataset.volatility_features import volatility_features
from node.errors import TrainingError
from node.topics import Target

_DAY: Final = ("day_sine", "day_cosine", *(f"day_{wave}_{times}" for times in (2, 3, 4) for wave in ("sine", "cosine")))
_OF_RETURNS: Final = (
    "scaled_return_1", "scaled_return_5", "scaled_return_15", "scaled_return_60",
    "large_return_1", "large_return_5", "return_times_volume_60",
    "range_position_1", "range_position_5", "range_position_60", "range_position_240",
    "volatility_ratio_5", "volatility_ratio_15", "volatility_ratio_60",
    "relative_volume_60", "day_sine", "day_cosine",
)  # fmt: skip
_OF_VOLATILITY: Final = (
    "log_standard_deviation_5", "log_standard_deviation_15", "log_standard_deviation_60", "log_standard_deviation_240",
    "log_standard_deviation_1440",
    "log_volatility_5", "log_volatility_15", "log_volatility_60", "log_volatility_240", "log_volatility_1440",
    "log_range_1", "log_range_5", "log_range_15", "log_range_60", "log_range_240", "log_range_1440",
    "volume_ratio_5", "volume_ratio_15", "volume_ratio_60", "volume_ratio_240",
    "log_bipower_15", "log_bipower_60", "log_largest_return_15", "log_largest_return_60",
    "scaled_move_1", "scaled_move_5", "scaled_move_15", "scaled_move_60", "scaled_move_240",
    "scaled_return_1", "scaled_return_15", "scaled_return_60",
    *_DAY, *(f"weekend_{wave}_{times}" for times in (1, 2, 3, 4) for wave in ("sine", "cosine")), *WEEKDAYS,
    *(name for name, _, _ in volatility_features()),
)  # fmt: skip
DEFAULT_FEATURES: Final[dict[Target, tuple[str, ...]]] = {
    Target.PRICE: _OF_RETURNS,
    Target.LOG_RETURN: _OF_RETURNS,
    Target.VOLATILITY: _OF_VOLATILITY,
}

LEADER_FEATURES: Final = tuple(f"leader_{name}_{span}" for name in ("return", "gap") for span in (1, 5, 15))
"""Features of another token's candles, read where a topic names one and chooses no features."""

DEFAULT: Final = "default"
"""Stands for a target's default features where features are chosen by name."""

WORTHWHILE_WARM_UP: Final = 0.2
"""Part of the history that a feature may cost before the first value of it is there."""


def choose_features(target: Target, choice: Sequence[str], leader: str | None) -> tuple[str, ...]:
    """Return the features that a topic's `choice` names, or the target's default ones, with the leader's where there is one.

    TrainingError for a name that is no feature's, and for one that reads another token's candles if there is no `leader`.
    """
    names = choice or (DEFAULT, *(LEADER_FEATURES if leader else ()))
    chosen = dict.fromkeys(part for name in names for part in (DEFAULT_FEATURES[target] if name == DEFAULT else (name,)))
    for name in chosen:
        if name not in FEATURES:
            near = difflib.get_close_matches(name, FEATURES, n=1)
            raise TrainingError(f"there is no feature {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        if leader is None and reads_leader([name]):
            raise TrainingError(f"the feature {name!r} reads another token's candles", hint="Name that token as Leader.")
    return tuple(chosen)


def affordable_features(names: Sequence[str], bars: int) -> tuple[str, ...]:
    """Return those of these features whose warm-up a history of `bars` candles can afford."""
    return tuple(name for name in names if FEATURES[name].warm_up <= WORTHWHILE_WARM_UP * bars)
