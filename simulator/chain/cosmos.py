"""The parts of the chain's gRPC side that every Cosmos chain has: blocks, accounts, fees and transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from allora_sdk.rpc_client.protos.cosmos.auth.v1beta1 import (
    BaseAccount,
    QueryAccountInfoRequest,
    QueryAccountInfoResponse,
    QueryAccountRequest,
    QueryAccountResponse,
)
from allora_sdk.rpc_client.protos.cosmos.bank.v1beta1 import QueryBalanceRequest, QueryBalanceResponse
from allora_sdk.rpc_client.protos.cosmos.base.abci.v1beta1 import GasInfo, TxResponse
from allora_sdk.rpc_client.protos.cosmos.base.tendermint.v1beta1 import (
    Block,
    GetBlockByHeightRequest,
    GetBlockByHeightResponse,
    GetLatestBlockRequest,
    GetLatestBlockResponse,
    GetNodeInfoRequest,
    GetNodeInfoResponse,
    Header,
)
from allora_sdk.rpc_client.protos.cosmos.base.v1beta1 import Coin, DecCoin
from allora_sdk.rpc_client.protos.cosmos.tx.v1beta1 import (
    BroadcastTxRequest,
    BroadcastTxResponse,
    GetTxRequest,
    GetTxResponse,
    SimulateRequest,
    SimulateResponse,
)
from allora_sdk.rpc_client.protos.feemarket.feemarket.v1 import GasPriceRequest, GasPriceResponse
from allora_sdk.rpc_client.protos.tendermint.p2p import DefaultNodeInfo
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from simulator.chain.state import ChainState, Result
from simulator.chain.transactions import decode

SLOW_SECONDS = 1.0
UNANSWERED_SECONDS = 20.0
DECIMALS = 10**18

Method = tuple[Callable[[Any], Any], type[Any], type[Any]]
"""A function, and the messages that it takes and gives."""


class CosmosQueries:
    """Answers from the state of the simulated chain."""

    def __init__(self, state: ChainState) -> None:
        self.state = state

    def methods(self) -> dict[str, Method]:
        """By path."""
        cosmos = "/cosmos"
        return {
            f"{cosmos}.base.tendermint.v1beta1.Service/GetNodeInfo": (self._node_info, GetNodeInfoRequest, GetNodeInfoResponse),
            f"{cosmos}.base.tendermint.v1beta1.Service/GetLatestBlock": (
                self._latest_block,
                GetLatestBlockRequest,
                GetLatestBlockResponse,
            ),
            f"{cosmos}.base.tendermint.v1beta1.Service/GetBlockByHeight": (
                self._block,
                GetBlockByHeightRequest,
                GetBlockByHeightResponse,
            ),
            f"{cosmos}.auth.v1beta1.Query/AccountInfo": (self._account_info, QueryAccountInfoRequest, QueryAccountInfoResponse),
            f"{cosmos}.auth.v1beta1.Query/Account": (self._account, QueryAccountRequest, QueryAccountResponse),
            f"{cosmos}.bank.v1beta1.Query/Balance": (self._balance, QueryBalanceRequest, QueryBalanceResponse),
            f"{cosmos}.tx.v1beta1.Service/Simulate": (self._simulate, SimulateRequest, SimulateResponse),
            f"{cosmos}.tx.v1beta1.Service/BroadcastTx": (self._broadcast, BroadcastTxRequest, BroadcastTxResponse),
            f"{cosmos}.tx.v1beta1.Service/GetTx": (self._transaction, GetTxRequest, GetTxResponse),
            "/feemarket.feemarket.v1.Query/GasPrice": (self._gas_price, GasPriceRequest, GasPriceResponse),
        }

    def _node_info(self, _: GetNodeInfoRequest) -> GetNodeInfoResponse:
        return GetNodeInfoResponse(default_node_info=DefaultNodeInfo(network=self.state.chain_id))

    def _header(self, height: int, time_ms: int) -> Block:
        time = datetime.fromtimestamp(time_ms / 1000, UTC)
        return Block(header=Header(chain_id=self.state.chain_id, height=height, time=time))

    def _latest_block(self, _: GetLatestBlockRequest) -> GetLatestBlockResponse:
        return GetLatestBlockResponse(sdk_block=self._header(self.state.height, self.state.time_ms))

    def _block(self, request: GetBlockByHeightRequest) -> GetBlockByHeightResponse:
        time_ms = self.state.times_ms.get(int(request.height))
        if time_ms is None:
            raise GRPCError(Status.NOT_FOUND, f"block {request.height} is not available")
        return GetBlockByHeightResponse(sdk_block=self._header(int(request.height), time_ms))

    def _account_info(self, request: QueryAccountInfoRequest) -> QueryAccountInfoResponse:
        account = self.state.account(request.address)
        info = BaseAccount(address=request.address, account_number=account.number, sequence=account.sequence)
        return QueryAccountInfoResponse(info=info)

    def _account(self, _: QueryAccountRequest) -> QueryAccountResponse:
        return QueryAccountResponse()

    def _balance(self, request: QueryBalanceRequest) -> QueryBalanceResponse:
        return QueryBalanceResponse(balance=Coin(denom=request.denom, amount=str(self.state.account(request.address).balance)))

    def _gas_price(self, request: GasPriceRequest) -> GasPriceResponse:
        return GasPriceResponse(price=DecCoin(denom=request.denom, amount=str(self.state.gas_price * DECIMALS)))

    def _simulate(self, request: SimulateRequest) -> SimulateResponse:
        outcome = self.state.execute(decode(request.tx_bytes), commit=False)
        if outcome.code:
            raise GRPCError(Status.UNKNOWN, outcome.log)
        return SimulateResponse(gas_info=GasInfo(gas_wanted=self.state.gas_needed, gas_used=self.state.gas_needed))

    async def _broadcast(self, request: BroadcastTxRequest) -> BroadcastTxResponse:
        transaction = decode(request.tx_bytes)
        result, fault = self.state.check(transaction)
        if fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        elif fault == "unknown_outcome":
            await asyncio.sleep(UNANSWERED_SECONDS)
        return BroadcastTxResponse(tx_response=_response(transaction.hash, result))

    def _transaction(self, request: GetTxRequest) -> GetTxResponse:
        result = self.state.results.get(request.hash.upper())
        if result is None:
            raise GRPCError(Status.NOT_FOUND, f"tx not found: {request.hash}")
        return GetTxResponse(tx_response=_response(request.hash, result))


def _response(transaction_hash: str, result: Result) -> TxResponse:
    return TxResponse(
        height=result.height,
        txhash=transaction_hash,
        codespace=result.codespace,
        code=result.code,
        raw_log=result.log,
        gas_wanted=result.gas_wanted,
        gas_used=result.gas_used,
    )
