"""Which chain to speak to: the network's own nodes, unless the environment or config.json names others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allora_sdk.rpc_client.config import AlloraNetworkConfig

from node.config import Config
from node.environment import Settings

LOCAL_CHAIN_ID = "localnet"
NO_WEBSOCKET = "ws://127.0.0.1:9/websocket"
"""Nothing listens there. The package needs an address; windows are then found by polling."""

QUERY_SECONDS = 8
SILENCE_SECONDS = 20.0
RECEIVE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Network:
    """One configuration per node of the same chain, in the order in which they are tried."""

    nodes: tuple[Any, ...]
    chain_id: str
    faucet_url: str | None

    @property
    def minimum_gas_price(self) -> float:
        return float(self.nodes[0].fee_minimum_gas_price)


def network_of(settings: Settings, config: Config) -> Network:
    """The network's nodes; what the environment says wins over config.json."""
    base = AlloraNetworkConfig.mainnet() if config.network == "mainnet" else AlloraNetworkConfig.testnet()
    urls = (settings.chain_grpc_url,) if settings.chain_grpc_url else config.wallet.node_grpcs
    chain_id = settings.chain_id or config.wallet.chain_id or base.chain_id
    sockets = (settings.chain_websocket_url,) if settings.chain_websocket_url else config.wallet.websockets
    if not sockets:
        # Another chain's windows would be worse than none.
        sockets = (base.websocket_url,) if not urls or chain_id == base.chain_id else (NO_WEBSOCKET,)
    local = chain_id == LOCAL_CHAIN_ID
    nodes = tuple(
        AlloraNetworkConfig(
            chain_id=chain_id,
            url=url,
            websocket_url=sockets[place % len(sockets)],
            fee_minimum_gas_price=1.0 if local else base.fee_minimum_gas_price,
            query_timeout_secs=QUERY_SECONDS,
            event_recv_timeout_secs=RECEIVE_SECONDS,
            max_event_silence_secs=SILENCE_SECONDS,
        )
        for place, url in enumerate(urls or (base.url,))
    )
    return Network(nodes, chain_id, None if local else base.faucet_url)
