"""The other workers of the simulated chain: an independent yardstick, from the exchange's own minutes through `node.truth`.

They know no model. Of a price they say the newest close, of a volatility that of the interval which has just ended, of a log
return a small part of the newest move; each in a way of its own that stays the same. A topic whose token the exchange does not
have gets none.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import aiohttp

from node.durations import MINUTE_MS, Interval
from node.topics import Target, Task
from node.truth import PriceAt, TopicInterval, base_time, minutes
from simulator.chain.topics import ChainTopic

Prices = Callable[[str, int, int], Awaitable[Mapping[int, float]]]
"""Of a pair, between two whole minutes (UTC milliseconds, both included): moment → price."""

NAME: Final = "allo1other"
"""Their addresses begin with it."""

TAKEN_OF_MOVE: Final = 0.05
"""Part of the newest move that they expect to go on."""

PRICE_SPREAD: Final = 0.0005
VOLATILITY_SPREAD: Final = 0.12
RETURN_SPREAD: Final = 0.05
"""In deviations of a return over the horizon."""

USUAL_MINUTE_RETURN: Final = 0.001
EXCHANGE_SECONDS: Final = 2.0


class OtherWorkers:
    """`number` of them; what they say is multiplied by `factor`, so that a wrong unit can be played."""

    def __init__(self, number: int, prices: Prices, factor: float = 1.0, seed: int = 1) -> None:
        self.factor = factor
        self._number, self._prices, self._seed = number, prices, seed

    async def answer(self, topic: ChainTopic, nonce: int, time_ms: int) -> None:
        """Have all of them answer the window that was opened at `time_ms`."""
        if topic.task is None:
            return
        base_ms = base_time(time_ms)
        reach = max(2, math.ceil(minutes(topic.task.horizon))) if topic.task.target is Target.VOLATILITY else 15
        prices = await self._prices(topic.task.symbol, base_ms - reach * MINUTE_MS, base_ms)
        for place in range(self._number):
            # To be repeatable, not to be secret.
            character = random.Random(f"{self._seed} {place}")  # nosec B311
            mood = random.Random(f"{place} {nonce}")  # nosec B311
            value = said(topic.task, base_ms, prices.get, character, mood)
            if value is not None:
                topic.answer(nonce, f"{NAME}{place:02}", repr(value * self.factor))


def said(task: Task, base_ms: int, price_at: PriceAt, character: random.Random, mood: random.Random) -> float | None:
    """What one of them says of the interval from `base_ms`, in the network's unit; None without the candles for it."""
    lean, noise = character.gauss(), mood.gauss()
    price = price_at(base_ms)
    if price is None:
        return None
    match task.target:
        case Target.PRICE:
            return price * math.exp(PRICE_SPREAD * (lean + noise))
        case Target.LOG_RETURN:
            before = price_at(base_ms - 15 * MINUTE_MS)
            move = math.log(price / before) if before else 0.0
            size = USUAL_MINUTE_RETURN * math.sqrt(minutes(task.horizon))
            return TAKEN_OF_MOVE * move + RETURN_SPREAD * size * (lean + noise)
        case Target.VOLATILITY:
            ended = TopicInterval(task, base_ms - task.horizon.ms).truth(price_at).value
            return None if ended is None else ended * math.exp(VOLATILITY_SPREAD * (lean + noise))


def exchange_prices(url: str) -> Prices:
    """Asks an exchange that speaks as Binance does; nothing while it cannot be had."""

    async def prices(symbol: str, start_ms: int, end_ms: int) -> Mapping[int, float]:
        query = {
            "symbol": symbol, "interval": Interval.MINUTE.value, "limit": "1000",
            "startTime": str(start_ms - MINUTE_MS), "endTime": str(end_ms - MINUTE_MS),
        }  # fmt: skip
        timeout = aiohttp.ClientTimeout(total=EXCHANGE_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{url}/api/v3/klines", params=query) as answer,
            ):
                rows = await answer.json() if answer.status == 200 else []
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
            return {}
        return {int(row[0]) + MINUTE_MS: float(row[4]) for row in rows}

    return prices
