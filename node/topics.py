"""A topic of the network: token × target × horizon, and the bars a model for it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from node.durations import HOUR_MS, MINUTE_MS, Duration, Interval

TOKEN_PATTERN = re.compile(r"[A-Z0-9]{1,12}")
"""What a token may look like; it becomes part of URLs, file names and metric labels."""

QUOTE_ASSET = "USDT"

WORKER_AGENT = "allora-worker"
"""What the worker calls itself when it asks a topic's endpoint, so that inference can tell when it did."""

ACCEPTED_HEADER = "X-Allora-Accepted"
"""In the worker's request for a topic: the nonce time of the topic's newest window whose answer the chain accepted."""


class Target(StrEnum):
    """What is forecast."""

    PRICE = "price"
    LOG_RETURN = "log_return"
    VOLATILITY = "volatility"


DEFAULT_LOSS: Final = {Target.PRICE: "mse", Target.LOG_RETURN: "czar", Target.VOLATILITY: "mse"}
"""What the network scores topics of this target with, unless the catalogue or config.json says otherwise."""

LEAST_RETURNS: Final = 2
"""Fewest one-minute returns that have a sample deviation."""


def symbol_of(token: str) -> str:
    """The exchange's pair for a token: BTC → BTCUSDT."""
    return token + QUOTE_ASSET


@dataclass(frozen=True, order=True, slots=True)
class Task:
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


def check_horizon(horizon: Duration, target: Target = Target.PRICE) -> Duration:
    """ValueError unless the horizon is whole minutes between one minute and thirty days, falls on its bars, and has a truth."""
    if horizon.ms < MINUTE_MS or horizon.ms > 30 * 24 * HOUR_MS:
        raise ValueError(f"horizon {horizon} is outside 1m to 30d")
    bars = Task("X", target, horizon).interval
    if horizon.ms % bars.ms:
        raise ValueError(f"horizon {horizon} is not a whole number of its {bars} candles")
    if target is Target.VOLATILITY and horizon.ms < LEAST_RETURNS * MINUTE_MS:
        raise ValueError(f"horizon {horizon} is too short for a volatility, which is measured on two one-minute returns at least")
    return horizon


@dataclass(frozen=True, slots=True)
class Topic:
    """One line of the operator's config, complete: the catalogue has filled in what was left out."""

    id: int
    task: Task
    model: str
    loss: str
    epoch_blocks: int | None
    endpoint: str
    """The inference URL. Only {BlockHeight} and {NonceTime} still stand in it: they are each window's own."""
    features: tuple[str, ...] = ()
    """What the model reads, by name; empty for the target's usual features."""
    leader: str | None = None
    """Token whose candles the model reads beside the topic's own."""

    @property
    def token(self) -> str:
        return self.task.token

    def __str__(self) -> str:
        return f"topic {self.id} ({self.task.token} {self.task.target} {self.task.horizon})"
