"""How much gas a transaction may use and what is offered for it, learnt from what the chain answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

FIRST_GAS: Final = 300_000
GAS_HEADROOM: Final = 1.3
RAISE: Final = 1.5
MARKET_HEADROOM: Final = 2.0
"""The fee market names the least price of this block; the next block's may be higher."""

TIERS: Final = {"eco": 1.0, "standard": 1.5, "priority": 2.5}


@dataclass(slots=True)
class Offer:
    """Gas and price of one transaction, raised after each refusal."""

    gas: int
    price: float
    most: int | None
    raised: float = 1.0

    @property
    def fee(self) -> int:
        """In uallo, never above `most`."""
        wanted = int(self.gas * self.price * self.raised) + 1
        return wanted if self.most is None else min(wanted, self.most)

    @property
    def at_most(self) -> bool:
        return self.most is not None and self.fee >= self.most

    def raise_fee(self) -> None:
        self.raised *= RAISE

    def raise_gas(self) -> None:
        self.gas = int(self.gas * RAISE)


@dataclass(slots=True)
class Fees:
    """What is offered first: the market's price times the operator's tier, and the gas that such a message last used."""

    tier: str
    minimum_price: float
    most: int | None
    market_price: float | None = None
    fixed_price: float | None = None
    used: dict[str, int] = field(default_factory=dict)

    def first_offer(self, kind: str) -> Offer:
        gas = int(self.used[kind] * GAS_HEADROOM) if kind in self.used else FIRST_GAS
        base = self.minimum_price if self.market_price is None else self.market_price * MARKET_HEADROOM
        return Offer(gas, self.fixed_price or base * TIERS[self.tier], self.most)

    def learn(self, kind: str, gas_used: int) -> None:
        self.used[kind] = max(gas_used, 1)
