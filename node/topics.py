"""A topic of the network: token × target × horizon, and the bars a model for it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from node.durations import HOUR_MS, MINUTE_MS, Duration, Interval

TOKEN_PATTERN = re.compile(r"[A-Z0-9]{1,12}")
"""What a token may look like; it becomes part of URLs, file names and metric labels."""

QUOTE_ASSET = "USDT"

WORKER_AGENT = "allora-worker"
"""What the worker calls itself when it asks a topic's endpoint, so that inference can tell when it did."""

ACCEPTED_HEADER = "X-Allora-Accepted"
"""With it the worker says, when it asks again, which of the topic's answers the chain last accepted: its nonce's time in
milliseconds UTC."""


class Target(StrEnum):
    """What is forecast."""

    PRICE = "price"
    LOG_RETURN = "log_return"
    VOLATILITY = "volatility"


def symbol_of(token: str) -> str:
    """The exchange's pair for a token: BTC → BTCUSDT."""
    return token + QUOTE_ASSET


@dataclass(frozen=True, order=True, slots=True)
class Cell:
    """What one model is trained for."""

    token: str
    target: Target
    horizon: Duration

    @property
    def symbol(self) -> str:
        return symbol_of(self.token)

    @property
    def interval(self) -> Interval:
        """Bars the model reads: longer horizons use longer bars; volatility is always measured on minutes."""
        if self.target is Target.VOLATILITY or self.horizon.ms < HOUR_MS:
            return Interval.MINUTE
        if self.horizon.ms < 8 * HOUR_MS:
            return Interval.FIVE_MINUTES
        if self.horizon.ms < 24 * HOUR_MS:
            return Interval.QUARTER
        return Interval.HOUR

    @property
    def steps(self) -> int:
        """The horizon in bars."""
        return self.horizon.ms // self.interval.ms

    def __str__(self) -> str:
        return f"{self.token}/{self.target}-{self.horizon}"


def check_horizon(horizon: Duration) -> Duration:
    """ValueError unless the horizon is whole minutes between one minute and thirty days and falls on its bars."""
    if horizon.ms < MINUTE_MS or horizon.ms > 30 * 24 * HOUR_MS:
        raise ValueError(f"horizon {horizon} is outside 1m to 30d")
    bars = Cell("X", Target.PRICE, horizon).interval
    if horizon.ms % bars.ms:
        raise ValueError(f"horizon {horizon} is not a whole number of its {bars} candles")
    return horizon


@dataclass(frozen=True, slots=True)
class Topic:
    """One line of the operator's config, complete: the catalogue has filled in what was left out."""

    id: int
    cell: Cell
    model: str
    loss: str
    epoch_blocks: int | None
    endpoint: str
    """The inference URL with every template variable but {BlockHeight} replaced."""
    features: tuple[str, ...] = ()
    """What the model reads, by name; empty for the target's usual features."""
    leader: str | None = None
    """Token whose candles the model reads beside the topic's own."""

    @property
    def token(self) -> str:
        return self.cell.token

    def __str__(self) -> str:
        return f"topic {self.id} ({self.cell.token} {self.cell.target} {self.cell.horizon})"
