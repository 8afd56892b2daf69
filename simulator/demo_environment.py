"""What a node must be told so that it works with the simulators: for `make demo` and for the containers' demo alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnemonic import Mnemonic


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the simulators listen, unless they are told otherwise."""

    exchange: int = 9100
    chain: int = 9200
    chain_http: int = 9201


USUAL: Final = Ports()
OVERRIDES: Final = {"wallet": {"submitTx": True}, "updater": {"historyDays": 3, "maxEpochs": 8}}
"""config.json decides the topics; this lets every one of them be answered within a minute."""


def environment(exchange_host: str, chain_host: str, mnemonic: Path, ports: Ports = USUAL) -> dict[str, str]:
    """The variables that point a node at the simulators: whatever sources config.json names, none is a real one."""
    exchange = f"http://{exchange_host}:{ports.exchange}"
    return {
        "CONFIG_OVERRIDES": json.dumps(OVERRIDES),
        "EXCHANGE_URLS": exchange,
        "BINANCE_US_URL": exchange,
        "KRAKEN_URL": exchange,
        "COINGECKO_URL": exchange,
        "CHAIN_GRPC_URL": f"grpc+http://{chain_host}:{ports.chain}",
        "CHAIN_WEBSOCKET_URL": f"ws://{chain_host}:{ports.chain_http}/websocket",
        "CHAIN_ID": "localnet",
        "ALLORA_MNEMONIC_FILE": str(mnemonic),
    }


def make_wallet(mnemonic: Path) -> None:
    """A wallet for the simulated chain, which funds every account; one that is there already is kept."""
    try:
        mnemonic.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        return
    mnemonic.write_text(Mnemonic("english").generate(), encoding="utf-8")
