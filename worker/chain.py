"""The chain as the worker needs it: a few questions, and one transaction at a time.

On the network's own package, but on its client rather than on its ready-made worker: one connection, one websocket and one
account sequence serve all topics, signals stay ours, and an answer that comes late does not burn its window.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpclib
from allora_sdk.rpc_client.client import AlloraRPCClient
from allora_sdk.rpc_client.client_websocket_events import EventAttributeCondition
from allora_sdk.rpc_client.config import AlloraNetworkConfig, AlloraWalletConfig
from allora_sdk.rpc_client.dec_canonical import canonicalize_dec
from allora_sdk.rpc_client.protos.cosmos.auth.v1beta1 import QueryAccountInfoRequest
from allora_sdk.rpc_client.protos.cosmos.bank.v1beta1 import QueryBalanceRequest
from allora_sdk.rpc_client.protos.emissions.v10 import (
    CanSubmitWorkerPayloadRequest,
    EventWorkerSubmissionWindowOpened,
    GetTopicRequest,
    GetUnfulfilledWorkerNoncesRequest,
    InputLabeledValue,
    IsWorkerRegisteredInTopicIdRequest,
)
from allora_sdk.rpc_client.tx_manager import FeeTier, PendingTx, TxError
from cosmpy.aerial.wallet import LocalWallet

from node.config import Config
from node.errors import ChainError, ChainUnreachableError, SubmissionError
from node.settings import Settings

ALREADY_SUBMITTED: Final = (68, 75, 78)
QUERY_SECONDS: Final = 10
DENOM: Final = "uallo"

WindowCallback = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ChainTopic:
    """What the chain says of a topic. `epoch` and `window` are in blocks."""

    id: int
    metadata: str
    epoch: int
    window: int
    loss: str


def network_of(settings: Settings, config: Config) -> AlloraNetworkConfig:
    """The configured network, with the endpoints that the environment replaces."""
    make = {"testnet": AlloraNetworkConfig.testnet, "mainnet": AlloraNetworkConfig.mainnet}[config.network]
    replaced = {
        "url": settings.chain_grpc_url,
        "websocket_url": settings.chain_websocket_url,
        "chain_id": settings.chain_id,
    }
    return make(**{name: value for name, value in replaced.items() if value})


class Chain:
    """One wallet's connection. Transactions go out one after the other, so that account sequences never collide."""

    def __init__(self, network: AlloraNetworkConfig, wallet: LocalWallet, fee_tier: str) -> None:
        logging.getLogger("allora_sdk").setLevel(logging.CRITICAL)
        self.address = str(wallet.address())
        self._client = AlloraRPCClient(wallet=AlloraWalletConfig(wallet=wallet), network=network)
        self._fee_tier = FeeTier(fee_tier)
        self._lock = asyncio.Lock()
        self._next_sequence: int | None = None

    async def check(self) -> None:
        """ChainUnreachableError unless the node answers, ChainError if it belongs to another chain."""
        async with _plain_errors():
            chain_id = await self._client.chain_id()
        if chain_id != self._client.network.chain_id:
            hint = "Set CHAIN_GRPC_URL and CHAIN_ID to the same chain."
            raise ChainError(f"the node belongs to chain {chain_id}, not {self._client.network.chain_id}", hint=hint)

    async def balance(self) -> int:
        """The wallet's balance in uallo."""
        async with _plain_errors():
            response = await self._client.bank.query.balance(QueryBalanceRequest(address=self.address, denom=DENOM))
        return int(response.balance.amount) if response.balance else 0

    async def topic(self, topic_id: int) -> ChainTopic:
        """What the chain says of a topic; ChainError if it does not know it."""
        async with _plain_errors():
            response = await self._client.emissions.query.get_topic(GetTopicRequest(topic_id=topic_id))
        found = response.topic
        if found is None:
            raise ChainError(f"the chain has no topic {topic_id}", hint="Remove it from config.json.")
        return ChainTopic(found.id, found.metadata, found.epoch_length, found.worker_submission_window, found.loss_method)

    async def may_submit(self, topic_id: int) -> bool:
        """Whether the topic's whitelist, if it has one, lets this wallet in."""
        request = CanSubmitWorkerPayloadRequest(address=self.address, topic_id=topic_id)
        async with _plain_errors():
            response = await self._client.emissions.query.can_submit_worker_payload(request)
        return bool(response.can_submit_worker_payload)

    async def open_nonces(self, topic_id: int) -> list[int]:
        """Nonces whose window is open, oldest first."""
        request = GetUnfulfilledWorkerNoncesRequest(topic_id=topic_id)
        async with _plain_errors():
            response = await self._client.emissions.query.get_unfulfilled_worker_nonces(request)
        return sorted(nonce.block_height for nonce in response.nonces.nonces) if response.nonces else []

    async def is_registered(self, topic_id: int) -> bool:
        """Whether this wallet is registered as a worker of the topic."""
        request = IsWorkerRegisteredInTopicIdRequest(topic_id=topic_id, address=self.address)
        async with _plain_errors():
            response = await self._client.emissions.query.is_worker_registered_in_topic_id(request)
        return bool(response.is_registered)

    async def register(self, topic_id: int) -> None:
        """Register this wallet for a topic; SubmissionError if the chain refuses."""
        async with self._lock, _plain_errors():
            pending = await self._client.emissions.tx.register(
                topic_id=topic_id, owner_addr=self.address, sender_addr=self.address, is_reputer=False, fee_tier=self._fee_tier
            )
            await pending.wait()
            self._next_sequence = None

    async def submit(self, topic_id: int, nonce: int, value: float) -> str:
        """Submit an inference; the transaction's hash, or "" if the chain had one of ours already."""
        try:
            async with _plain_errors():
                async with self._lock:
                    pending = await self._send(topic_id, nonce, value)
                response = await pending.wait()
        except SubmissionError as error:
            self._next_sequence = None
            if isinstance(error.__cause__, TxError) and error.__cause__.code in ALREADY_SUBMITTED:
                return ""
            raise
        return str(response.txhash)

    async def _send(self, topic_id: int, nonce: int, value: float) -> PendingTx:
        """Hand a transaction to the node. The lock is held no longer than that: while one waits for its block, the next may go."""
        sequence = await self._sequence()
        pending = await self._client.emissions.tx.insert_worker_payload(
            topic_id=topic_id,
            inference_value=[InputLabeledValue(label="y", value=canonicalize_dec(value))],
            nonce=nonce,
            fee_tier=self._fee_tier,
            account_seq=sequence,
        )
        while pending.last_tx_hash is None and not pending._final_future.done():
            await asyncio.sleep(0.01)
        self._next_sequence = None if pending.last_tx_hash is None else sequence + 1
        return pending

    async def _sequence(self) -> int:
        """The account's next sequence: counted here while transactions wait for their block, read anew after any trouble."""
        response = await self._client.auth.query.account_info(QueryAccountInfoRequest(address=self.address))
        on_chain = int(response.info.sequence) if response.info else 0
        return max(on_chain, self._next_sequence or 0)

    async def on_window(self, callback: WindowCallback) -> None:
        """Call back with topic and nonce whenever any topic's window opens. One subscription for all: nodes allow only a few."""

        async def hear(event: Any, _: int | None) -> None:
            await callback(int(event.topic_id), int(event.nonce_block_height))

        condition = EventAttributeCondition("topic_id", "EXISTS", "")
        await self._client.events.subscribe_new_block_events_typed(EventWorkerSubmissionWindowOpened, [condition], hear)

    async def close(self) -> None:
        await self._client.close()


@asynccontextmanager
async def _plain_errors() -> AsyncIterator[None]:
    """The package's many errors as the node's own few."""
    try:
        yield
    except grpclib.GRPCError as error:
        if error.status is grpclib.Status.UNIMPLEMENTED:
            hint = "The chain has moved to another API version; update the node."
            raise ChainUnreachableError(f"the chain does not know this call: {error.message}", hint=hint) from error
        if error.status is grpclib.Status.NOT_FOUND:
            raise ChainError(str(error.message)) from error
        raise ChainUnreachableError(f"the chain's node answered {error.status.name}: {error.message}") from error
    except (TimeoutError, OSError, grpclib.exceptions.StreamTerminatedError) as error:
        raise ChainUnreachableError(f"the chain's node cannot be reached: {type(error).__name__} {error}".strip()) from error
    except TxError as error:
        raise SubmissionError(f"{error.codespace} {error.code}: {error.message}") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise
    except Exception as error:
        raise SubmissionError(f"{type(error).__name__}: {error}") from error
