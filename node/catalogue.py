"""Topics the network had on 5 September 2026, so that a number alone is enough in config.json.

Source: the network's public topic listings for testnet and mainnet. Numbers differ per network. A topic that is not here still
works when config.json gives its token, target and horizon; what the chain itself says is checked by the worker. Topics of a kind
that this node cannot answer stand in `LABELLED`, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.durations import Duration
from node.topics import Target, Task


@dataclass(frozen=True, slots=True)
class KnownTopic:
    """One line of the listing. `epoch_blocks`: 60 blocks are about five minutes."""

    id: int
    task: Task
    epoch_blocks: int
    loss: str
    sandbox: bool = False


@dataclass(frozen=True, slots=True)
class LabelledTopic:
    """A topic that wants a value for each of several labels, where this node answers one number. Empty: not listed."""

    id: int
    token: str
    horizon: Duration
    loss: str
    asks: str

    @property
    def reason(self) -> str:
        """Why this node does not answer it."""
        return f"it asks for {self.asks}, and this node answers one number"


_TARGETS = {"price": Target.PRICE, "return": Target.LOG_RETURN, "volatility": Target.VOLATILITY}

# id token target horizon epoch loss
_TESTNET = """
1 ETH price 10m 120 mse
2 ETH price 24h 17280 mse
3 BTC price 10m 120 mse
8 BNB price 20m 240 mse
9 ARB price 20m 240 mse
13 ETH price 5m 60 mse
14 BTC price 5m 60 mse
18 BTC price 8h 5760 mse
37 SOL price 5m 35 mse
38 SOL price 8h 35 mse
39 SOL volatility 5m 35 mse
41 ETH price 8h 35 mse
42 BTC price 8h 35 mse
56 BERA return 1h 655 ztae
58 SOL return 8h 52 czar
60 XAU return 24h 60 czar
61 BTC return 24h 60 czar
62 SOL return 24h 60 czar
63 ETH return 24h 60 czar
64 BTC return 8h 54 czar
65 BTC return 8h 1286 czar
66 SOL return 7d 720 czar
67 BTC return 7d 720 czar
68 ETH return 7d 720 czar
69 BTC price 24h 54 mse sandbox
70 NEAR return 7d 720 czar
71 NEAR return 8h 60 czar
72 BTC return 1h 60 czar
73 ETH return 1h 60 czar
74 BTC return 15m 60 czar
75 ETH return 15m 60 czar
76 SOL return 15m 60 czar
77 BTC price 5m 60 czar sandbox
79 BTC volatility 15m 60 mse
80 ETH volatility 15m 60 mse
81 XRP volatility 15m 60 mse
82 SOL volatility 15m 60 mse
83 BTC return 8h 60 czar
84 ETH return 8h 60 czar
85 ETH volatility 4h 60 mse
"""

_MAINNET = """
1 BTC return 8h 75 czar
2 ETH return 8h 75 czar
3 SOL return 8h 75 czar
9 ETH price 8h 60 mse
10 SOL price 8h 60 mse
14 BTC price 8h 60 mse
15 BTC return 24h 60 czar
16 ETH return 24h 60 czar
17 SOL return 24h 60 czar
18 BTC return 20m 60 czar
19 NEAR return 8h 60 czar
20 BTC volatility 15m 60 mse
21 ETH volatility 15m 60 mse
22 XRP volatility 15m 60 mse
23 SOL volatility 15m 60 mse
"""


def _read(table: str) -> dict[int, KnownTopic]:
    topics: dict[int, KnownTopic] = {}
    for line in table.strip().splitlines():
        number, token, target, horizon, epoch, loss, *notes = line.split()
        task = Task(token, _TARGETS[target], Duration.parse(horizon))
        topics[int(number)] = KnownTopic(int(number), task, int(epoch), loss, "sandbox" in notes)
    return topics


CATALOGUE: Final[dict[str, dict[int, KnownTopic]]] = {"testnet": _read(_TESTNET), "mainnet": _read(_MAINNET)}

RETIRED: Final[dict[str, frozenset[int]]] = {"testnet": frozenset({4, 5, 6, 7, 10, 11, 15, 16, 57}), "mainnet": frozenset()}
"""Topics gone from the network but still found in many old files."""

_BARRIERS: Final = "a value for each label of a triple barrier"
_RETURNS: Final = "a value for each label of a return"
_DAY: Final = Duration.parse("24h")

LABELLED: Final[dict[str, dict[int, LabelledTopic]]] = {
    "testnet": {
        topic.id: topic
        for topic in (
            LabelledTopic(87, "GOLD", _DAY, "focal", _BARRIERS),
            LabelledTopic(88, "XAG", _DAY, "focal", _BARRIERS),
            LabelledTopic(89, "WTI", _DAY, "focal", _BARRIERS),
            LabelledTopic(90, "", Duration.parse("3m"), "", _RETURNS),
        )
    },
    "mainnet": {},
}
"""Topics that this node does not answer. The listing calls the first three prices; what they want has the form MULTI."""
