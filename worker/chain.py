"""What the worker asks the chain, in the node's own words and errors. Everything of the package's query side is in here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from allora_sdk.rpc_client.client import AlloraRPCClient
from allora_sdk.rpc_client.client_websocket_events import EventAttributeCondition
from allora_sdk.rpc_client.protos.cosmos.auth.v1beta1 import QueryAccountInfoRequest
from allora_sdk.rpc_client.protos.cosmos.bank.v1beta1 import QueryBalanceRequest
from allora_sdk.rpc_client.protos.cosmos.base.tendermint.v1beta1 import GetBlockByHeightRequest, GetLatestBlockRequest
from allora_sdk.rpc_client.protos.cosmos.tx.v1beta1 import BroadcastMode, BroadcastTxRequest, GetTxRequest
from allora_sdk.rpc_client.protos.emissions.v10 import (
    CanSubmitWorkerPayloadRequest,
    EventWorkerSubmissionWindowOpened,
    GetLatestNetworkInferencesRequest,
    GetOpenWorkerSubmissionWindowsRequest,
    GetTopicRequest,
    GetUnfulfilledWorkerNoncesRequest,
    GetWorkerLatestInputInferenceByTopicIdRequest,
    GetWorkerSubmissionWindowStatusRequest,
    IsTopicActiveRequest,
    IsWorkerRegisteredInTopicIdRequest,
    TopicOutputArity,
)
from allora_sdk.rpc_client.protos.feemarket.feemarket.v1 import GasPriceRequest
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

from node.errors import ChainApiError, ChainUnreachableError, SubmissionError, WrongChainError
from worker.chain_answers import NetworkInferences, TopicOnChain, TransactionResult, header_of, heights_of, price_of, result_of
from worker.network import Network

DENOMINATION = "uallo"
T = TypeVar("T")
_LOST = frozenset({Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.CANCELLED, Status.RESOURCE_EXHAUSTED, Status.INTERNAL})


class NotFound(Exception):  # noqa: N818 -- an answer, not an error
    """The chain has no such thing."""


async def _asked(call: Awaitable[T]) -> T:
    try:
        return await call
    except GRPCError as error:
        message = error.message or error.status.name
        if error.status is Status.UNIMPLEMENTED:
            raise ChainApiError(
                f"the chain's node does not know emissions/v10: {message}",
                hint="The network has moved to another API version; update this node.",
            ) from None
        if error.status is Status.NOT_FOUND or "not found" in message:
            raise NotFound(message) from None
        if error.status in _LOST:
            raise ChainUnreachableError(f"the chain's node cannot answer: {message}") from None
        raise SubmissionError(f"the chain refused a query: {message}") from None
    except (OSError, TimeoutError, StreamTerminatedError, ProtocolError) as error:
        reason = str(error) or type(error).__name__
        raise ChainUnreachableError(f"the chain's node cannot be reached: {reason}") from None


class Chain:
    """One node of the chain after another: `open` takes the next. Call it in a running event loop."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._place = -1
        self._client: Any = None
        self._knows_open_windows = True

    @property
    def url(self) -> str:
        return str(self.network.nodes[max(0, self._place)].url)

    async def open(self, probe_topic: int) -> None:
        """Connect to the next node; WrongChainError or ChainApiError if it is not one of ours."""
        await self.close()
        self._place = (self._place + 1) % len(self.network.nodes)
        self._client = AlloraRPCClient(network=self.network.nodes[self._place])
        self._knows_open_windows = True
        found = await _asked(self._client.chain_id())
        if found != self.network.chain_id:
            raise WrongChainError(
                f"{self.url} belongs to chain {found!r}, not to {self.network.chain_id!r}",
                hint="CHAIN_GRPC_URL, CHAIN_ID and network in config.json must name the same chain.",
            )
        with contextlib.suppress(NotFound):
            await _asked(self._emissions.get_topic(GetTopicRequest(topic_id=probe_topic)))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            # The package waits for a websocket that may be mid-connection; ending must not.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(), 1.0)
            client.grpc_client.close()

    @property
    def _connected(self) -> Any:
        if self._client is None:
            raise ChainUnreachableError("the chain's node is not connected")
        return self._client

    @property
    def _emissions(self) -> Any:
        return self._connected.emissions.query

    async def on_window(self, opened: Callable[[int, int, int], None]) -> None:
        """Call `opened(topic, nonce, end block)` for every window of any topic, as soon as the websocket tells of it.

        One subscription for all topics: a node allows five for each client.
        """

        async def handle(event: Any, _: int) -> None:
            opened(int(event.topic_id), int(event.nonce_block_height), int(event.window_end_block))

        condition = EventAttributeCondition("topic_id", "EXISTS", "")
        await self._connected.events.subscribe_new_block_events_typed(EventWorkerSubmissionWindowOpened, [condition], handle)

    async def block(self) -> tuple[int, float]:
        """Height of the newest block and its time in seconds."""
        height, ms = header_of(await _asked(self._connected.tendermint.query.get_latest_block(GetLatestBlockRequest())))
        return height, ms / 1000

    async def block_time(self, height: int) -> int:
        """The time in the header of that block, in milliseconds UTC."""
        request = GetBlockByHeightRequest(height=height)
        found, ms = header_of(await _asked(self._connected.tendermint.query.get_block_by_height(request)))
        if found != height:
            raise ChainUnreachableError(f"the chain's node was asked for block {height} and answered with block {found}")
        return ms

    async def topic(self, number: int) -> TopicOnChain:
        """NotFound if the chain has no such topic."""
        response = await _asked(self._emissions.get_topic(GetTopicRequest(topic_id=number)))
        if response.topic is None:
            raise NotFound(f"topic {number}")
        active = await _asked(self._emissions.is_topic_active(IsTopicActiveRequest(topic_id=number)))
        topic = response.topic
        return TopicOnChain(
            id=number,
            metadata=topic.metadata,
            loss=topic.loss_method,
            epoch=int(topic.epoch_length),
            window=int(topic.worker_submission_window),
            ground_truth_lag=int(topic.ground_truth_lag),
            is_multiple=topic.output_arity == TopicOutputArity.MULTI,
            active=bool(active.is_active),
        )

    async def open_nonces(self, number: int) -> list[int]:
        """Block heights of the topic's windows that are open now, oldest first."""
        if self._knows_open_windows:
            request = GetOpenWorkerSubmissionWindowsRequest(topic_id=number)
            try:
                return heights_of(await _asked(self._emissions.get_open_worker_submission_windows(request)))
            except ChainApiError:
                # This one method is younger than the API; whether that has moved, the older one will tell.
                self._knows_open_windows = False
        older = GetUnfulfilledWorkerNoncesRequest(topic_id=number)
        return heights_of(await _asked(self._emissions.get_unfulfilled_worker_nonces(older)))

    async def window_end(self, number: int, nonce: int) -> int:
        """Last block of the topic's window `nonce` as the chain states it; 0 if it does not."""
        request = GetWorkerSubmissionWindowStatusRequest(topic_id=number)
        try:
            status = await _asked(self._emissions.get_worker_submission_window_status(request))
        except (NotFound, ChainApiError, SubmissionError):
            return 0
        return int(status.window_end_block) if int(status.current_nonce_block_height) == nonce else 0

    async def may_submit(self, number: int, address: str) -> bool:
        request = CanSubmitWorkerPayloadRequest(topic_id=number, address=address)
        return bool((await _asked(self._emissions.can_submit_worker_payload(request))).can_submit_worker_payload)

    async def is_registered(self, number: int, address: str) -> bool:
        request = IsWorkerRegisteredInTopicIdRequest(topic_id=number, address=address)
        return bool((await _asked(self._emissions.is_worker_registered_in_topic_id(request))).is_registered)

    async def has_answer(self, number: int, nonce: int, address: str) -> bool:
        """Whether the chain holds our answer for this window."""
        request = GetWorkerLatestInputInferenceByTopicIdRequest(topic_id=number, worker_address=address)
        try:
            response = await _asked(self._emissions.get_worker_latest_input_inference_by_topic_id(request))
        except NotFound:
            return False
        latest = response.latest_input_inference
        return latest is not None and int(latest.block_height) >= nonce

    async def network_inferences(self, number: int) -> NetworkInferences | None:
        """What the network's workers last said of this topic; None if nobody did."""
        try:
            request = GetLatestNetworkInferencesRequest(topic_id=number)
            response = await _asked(self._emissions.get_latest_network_inferences(request))
        except (NotFound, ChainApiError, SubmissionError):
            return None
        bundle = response.network_inferences
        if bundle is None:
            return None
        said = {}
        for inferer in bundle.inferer_values:
            with contextlib.suppress(ValueError, IndexError):
                said[str(inferer.worker)] = float(inferer.values[0].value)
        return NetworkInferences(int(response.inference_block_height or bundle.nonce), said)

    async def account(self, address: str) -> tuple[int, int]:
        """Account number and next sequence; an account that was never funded has neither yet: (0, 0)."""
        try:
            response = await _asked(self._connected.auth.query.account_info(QueryAccountInfoRequest(address=address)))
        except NotFound:
            return 0, 0
        return (int(response.info.account_number), int(response.info.sequence)) if response.info else (0, 0)

    async def balance(self, address: str) -> int:
        """In uallo."""
        request = QueryBalanceRequest(address=address, denom=DENOMINATION)
        response = await _asked(self._connected.bank.query.balance(request))
        try:
            return int(response.balance.amount) if response.balance else 0
        except ValueError:
            raise SubmissionError(f"the chain's node says that a balance is {response.balance.amount!r}") from None

    async def gas_price(self) -> float | None:
        """The least price that the fee market accepts now, in uallo; None if the chain does not say."""
        try:
            response = await _asked(self._connected.feemarket.query.gas_price(GasPriceRequest(denom=DENOMINATION)))
        except (NotFound, ChainApiError, SubmissionError):
            return None
        return price_of(response.price.amount) if response.price else None

    async def broadcast(self, content: bytes, seconds: float) -> TransactionResult:
        """Hand a transaction to the node; a code of 0 means that it waits for a block."""
        request = BroadcastTxRequest(tx_bytes=content, mode=BroadcastMode.SYNC)
        response = await _asked(asyncio.wait_for(self._connected.tx.query.broadcast_tx(request), seconds))
        return result_of(response.tx_response)

    async def transaction(self, transaction_hash: str) -> TransactionResult | None:
        """What became of a transaction; None while it is in no block."""
        try:
            response = await _asked(self._connected.tx.query.get_tx(GetTxRequest(hash=transaction_hash)))
        except NotFound:
            return None
        return result_of(response.tx_response)
