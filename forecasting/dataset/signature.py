"""A model's signature: its input and its output, told so that the input can be made from candles years later."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from forecasting.dataset.feature_catalogue import FEATURES, SCALE_SPAN, columns_read, longest_warm_up, reads_leader
from node.durations import Duration, Interval
from node.errors import ForecastError
from node.topics import Target, Task

DEFAULT_ESTIMATOR: Final = "standard_deviation"


@dataclass(frozen=True, slots=True)
class Signature:
    """A model's input: `window` bars of `interval`, with `features` in this order; and its output, `target` over `horizon`.

    `scale_span` is the number of bars over which the ordinary size of a return is taken, `estimator` names what is meant by
    volatility, `model` names the network, `leader` the token whose candles some features read beside the own ones.
    """

    token: str
    target: Target
    horizon: Duration
    interval: Interval
    window: int
    features: tuple[str, ...]
    model: str = "birnn"
    scale_span: int = SCALE_SPAN
    estimator: str = DEFAULT_ESTIMATOR
    leader: str | None = None

    @property
    def task(self) -> Task:
        return Task(self.token, self.target, self.horizon)

    @property
    def steps(self) -> int:
        """The horizon in bars."""
        return self.horizon.ms // self.interval.ms

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that its features read and not every frame has."""
        return columns_read(self.features)

    @property
    def warm_up(self) -> int:
        """Bars before the first one at which features, baseline and scale all exist."""
        reference = self.steps if self.target is Target.VOLATILITY else self.scale_span
        return max(longest_warm_up(self.features), reference)

    @property
    def bars_needed(self) -> int:
        """Bars from which one forecast can be made."""
        return self.warm_up + self.window

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        plain = {"horizon": str(self.horizon), "target": self.target.value, "interval": self.interval.value}
        return asdict(self) | plain | {"features": list(self.features)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; ForecastError if it is not a signature, or names a feature that this node does not have."""
        try:
            signature = cls(
                **content
                | {
                    "target": Target(content["target"]),
                    "horizon": Duration.parse(content["horizon"]),
                    "interval": Interval(content["interval"]),
                    "features": tuple(content["features"]),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ForecastError(f"not a model's signature: {error}") from None
        unknown = [name for name in signature.features if name not in FEATURES]
        if unknown:
            raise ForecastError(f"the model reads the feature {unknown[0]!r}, which this node does not have")
        if signature.leader is None and reads_leader(signature.features):
            raise ForecastError("the model reads another token's candles and does not say whose")
        return signature
