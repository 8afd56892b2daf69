"""A market and a trainer that never rest: shared by tests and the benchmark of load."""

from __future__ import annotations

import math
from collections import Counter

from forecasting.dataset.signature import Signature
from forecasting.prediction.forecast import model_input
from node.durations import Interval
from tests.inference.conftest import BTC_10M, Node, candles_until, signature_of

STEP = 0.01
"""How far the answers of two versions after each other lie apart, in deviations of the return."""

CLOSE = STEP / 10_000
"""How near an answer is to what its version must give, in the same: a graph reckons in single precision. Answers of hundreds of
versions and candles lie so far apart that hardly any two are taken for each other."""

INTERVALS = {"50": (-0.5, 0.75), "80": (-1.0, 1.5), "90": (-2.0, 2.5)}
"""Of a champion whose path can be asked for."""

NUMBER = "/inference/BTC"
EVERY_KIND = (
    "/forecast/BTC?steps=4",
    "/candles/BTC?bars={}",
    "/topics",
    "/models",
    "/scores",
    "/updater",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/openapi.json",
    "/",
    "/inference/NONE{}",
    "/forecast/BTC?steps=none{}",
    "/no/such/route/{}",
)
"""What may be asked, and what may not: for numbers that never come again, as a client may invent them."""


def every_path() -> list[str]:
    """Of clients that ask all of it, half of them for the number."""
    return [*EVERY_KIND, *[NUMBER] * len(EVERY_KIND)]


class Changes:
    """Champions and candles of topic 3 that come one after the other, and every answer that they can give."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._signature = Signature.from_dict(signature_of(BTC_10M))
        self._answers: list[float] = []
        self._possible: list[tuple[float, float]] = []

    def candle(self) -> None:
        """A minute passes, and the price moves; the candles before stay as they were."""
        self._node.clock.advance(60)
        close = 64_000.5 * (1 + len(self._possible) / 1000)
        count = 1 if self._possible else 60
        new = candles_until(self._node.clock.now_ms(), Interval.MINUTE, count, last_close=close)
        self._node.candles.upsert(BTC_10M.symbol, Interval.MINUTE, new)
        seen = self._node.candles.last(BTC_10M.symbol, Interval.MINUTE, 60)
        self._possible.append((close, float(model_input(self._signature, seen).scale[0])))

    def swap(self) -> str:
        """Another champion; its version."""
        self._answers.append(STEP * (1 + len(self._answers)))
        return self._node.promote(BTC_10M, self._answers[-1])

    def versions_of(self, answers: Counter[str]) -> set[int | None]:
        """The numbers of the versions that gave `answers`; None among them if one belongs to no version and candle that existed."""
        return {self._version_of(float(answer)) for answer in answers}

    def _version_of(self, value: float) -> int | None:
        for close, scale in self._possible:
            for number, answer in enumerate(self._answers):
                if math.isclose(value, close * math.exp(scale * answer), rel_tol=scale * CLOSE):
                    return number
        return None
