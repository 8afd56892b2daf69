"""The chain's gRPC side: the network's own queries about topics and windows, in the network package's messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from allora_sdk.rpc_client.protos.emissions.v3 import Nonce, Nonces
from allora_sdk.rpc_client.protos.emissions.v10 import (
    CanSubmitWorkerPayloadRequest,
    CanSubmitWorkerPayloadResponse,
    GetLatestNetworkInferencesRequest,
    GetLatestNetworkInferencesResponse,
    GetOpenWorkerSubmissionWindowsRequest,
    GetOpenWorkerSubmissionWindowsResponse,
    GetTopicRequest,
    GetTopicResponse,
    GetUnfulfilledWorkerNoncesRequest,
    GetUnfulfilledWorkerNoncesResponse,
    GetWorkerLatestInputInferenceByTopicIdRequest,
    GetWorkerLatestInputInferenceByTopicIdResponse,
    GetWorkerSubmissionWindowStatusRequest,
    GetWorkerSubmissionWindowStatusResponse,
    InputInference,
    InputLabeledValue,
    IsTopicActiveRequest,
    IsTopicActiveResponse,
    IsWorkerRegisteredInTopicIdRequest,
    IsWorkerRegisteredInTopicIdResponse,
    LabeledValue,
    NetworkInferenceBundle,
    Topic,
    TopicOutputArity,
    WorkerInference,
)
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from simulator.chain.cosmos import CosmosQueries, Method
from simulator.chain.state import ChainState
from simulator.chain.topics import ChainTopic, Measure


class ChainService:
    """What a gRPC server needs to know of the chain: its methods by path."""

    def __init__(self, state: ChainState, now: Callable[[], float]) -> None:
        self.state = state
        self._now = now

    def __mapping__(self) -> dict[str, Handler]:
        emissions = "/emissions.v10.QueryService"
        unary: dict[str, Method] = {
            f"{emissions}/GetTopic": (self._topic, GetTopicRequest, GetTopicResponse),
            f"{emissions}/IsTopicActive": (self._active, IsTopicActiveRequest, IsTopicActiveResponse),
            f"{emissions}/IsWorkerRegisteredInTopicId": (
                self._registered,
                IsWorkerRegisteredInTopicIdRequest,
                IsWorkerRegisteredInTopicIdResponse,
            ),
            f"{emissions}/CanSubmitWorkerPayload": (
                self._may_submit,
                CanSubmitWorkerPayloadRequest,
                CanSubmitWorkerPayloadResponse,
            ),
            f"{emissions}/GetUnfulfilledWorkerNonces": (
                self._nonces,
                GetUnfulfilledWorkerNoncesRequest,
                GetUnfulfilledWorkerNoncesResponse,
            ),
            f"{emissions}/GetOpenWorkerSubmissionWindows": (
                self._open_windows,
                GetOpenWorkerSubmissionWindowsRequest,
                GetOpenWorkerSubmissionWindowsResponse,
            ),
            f"{emissions}/GetWorkerSubmissionWindowStatus": (
                self._window_status,
                GetWorkerSubmissionWindowStatusRequest,
                GetWorkerSubmissionWindowStatusResponse,
            ),
            f"{emissions}/GetWorkerLatestInputInferenceByTopicId": (
                self._latest,
                GetWorkerLatestInputInferenceByTopicIdRequest,
                GetWorkerLatestInputInferenceByTopicIdResponse,
            ),
            f"{emissions}/GetLatestNetworkInferences": (
                self._network_inferences,
                GetLatestNetworkInferencesRequest,
                GetLatestNetworkInferencesResponse,
            ),
            **CosmosQueries(self.state).methods(),
        }
        return {
            path: Handler(self._handle(path, method), Cardinality.UNARY_UNARY, request, response)
            for path, (method, request, response) in unary.items()
        }

    def _handle(self, path: str, method: Callable[[Any], Any]) -> Callable[[Stream[Any, Any]], Awaitable[None]]:
        async def handle(stream: Stream[Any, Any]) -> None:
            request = await stream.recv_message()
            if self.state.faults.lasts("restart", self._now()):
                raise GRPCError(Status.UNAVAILABLE, "the node is starting")
            if path.startswith("/emissions") and self.state.faults.lasts("unimplemented", self._now()):
                raise GRPCError(Status.UNIMPLEMENTED, "unknown service emissions.v10.QueryService")
            if path.rpartition("/")[2] in self.state.unknown_methods:
                raise GRPCError(Status.UNIMPLEMENTED, f"unknown method {path.rpartition('/')[2]}")
            answer = method(request)
            await stream.send_message(await answer if asyncio.iscoroutine(answer) else answer)

        return handle

    def _of(self, request: Any) -> ChainTopic:
        topic = self.state.topics.get(int(request.topic_id))
        if topic is None:
            raise GRPCError(Status.NOT_FOUND, f"topic {request.topic_id} does not exist")
        return topic

    def _topic(self, request: GetTopicRequest) -> GetTopicResponse:
        topic = self._of(request)
        return GetTopicResponse(
            topic=Topic(
                id=topic.id,
                metadata=topic.metadata,
                loss_method=topic.loss,
                epoch_length=topic.epoch_seconds if topic.measure is Measure.SECONDS else topic.epoch_blocks,
                ground_truth_lag=topic.ground_truth_lag,
                worker_submission_window=topic.window_seconds if topic.measure is Measure.SECONDS else topic.window_blocks,
                allow_negative=True,
                output_arity=TopicOutputArity.SINGLE,
            )
        )

    def _active(self, request: IsTopicActiveRequest) -> IsTopicActiveResponse:
        return IsTopicActiveResponse(is_active=self._of(request).active)

    def _registered(self, request: IsWorkerRegisteredInTopicIdRequest) -> IsWorkerRegisteredInTopicIdResponse:
        return IsWorkerRegisteredInTopicIdResponse(is_registered=request.address in self._of(request).registered)

    def _may_submit(self, request: CanSubmitWorkerPayloadRequest) -> CanSubmitWorkerPayloadResponse:
        return CanSubmitWorkerPayloadResponse(can_submit_worker_payload=self._of(request).may_submit(request.address))

    def _open(self, request: Any) -> Nonces:
        heights = self._of(request).open_nonces(self.state.height, self.state.time_ms)
        return Nonces(nonces=[Nonce(block_height=height) for height in heights])

    def _nonces(self, request: GetUnfulfilledWorkerNoncesRequest) -> GetUnfulfilledWorkerNoncesResponse:
        return GetUnfulfilledWorkerNoncesResponse(nonces=self._open(request))

    def _open_windows(self, request: GetOpenWorkerSubmissionWindowsRequest) -> GetOpenWorkerSubmissionWindowsResponse:
        return GetOpenWorkerSubmissionWindowsResponse(nonces=self._open(request))

    def _window_status(self, request: GetWorkerSubmissionWindowStatusRequest) -> GetWorkerSubmissionWindowStatusResponse:
        topic = self._of(request)
        heights = topic.open_nonces(self.state.height, self.state.time_ms)
        if not heights:
            return GetWorkerSubmissionWindowStatusResponse(is_open=False, is_topic_active=topic.active)
        nonce = heights[-1]
        return GetWorkerSubmissionWindowStatusResponse(
            is_open=True,
            current_nonce_block_height=nonce,
            window_start_block=nonce,
            window_end_block=self.state.window_end(topic, nonce),
            is_topic_active=topic.active,
        )

    def _latest(self, request: Any) -> GetWorkerLatestInputInferenceByTopicIdResponse:
        latest = self._of(request).latest.get(request.worker_address)
        if latest is None:
            raise GRPCError(Status.NOT_FOUND, "collections: not found")
        nonce, value = latest
        return GetWorkerLatestInputInferenceByTopicIdResponse(
            latest_input_inference=InputInference(
                topic_id=request.topic_id,
                block_height=nonce,
                inferer=request.worker_address,
                values=[InputLabeledValue(label="y", value=value)],
            )
        )

    def _network_inferences(self, request: GetLatestNetworkInferencesRequest) -> GetLatestNetworkInferencesResponse:
        topic = self._of(request)
        newest = topic.settled(self.state.height, self.state.time_ms)
        if newest is None:
            raise GRPCError(Status.NOT_FOUND, "no network inferences yet")
        values = topic.rounds[newest]
        combined = sum(map(float, values.values())) / len(values)
        bundle = NetworkInferenceBundle(
            topic_id=topic.id,
            nonce=newest,
            combined_value=[LabeledValue(label_id=1, label_name="y", value=repr(combined))],
            inferer_values=[
                WorkerInference(worker=worker, values=[LabeledValue(label_id=1, label_name="y", value=value)])
                for worker, value in values.items()
            ],
        )
        return GetLatestNetworkInferencesResponse(network_inferences=bundle, inference_block_height=newest)
