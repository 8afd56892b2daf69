"""The chain's HTTP side: Tendermint's websocket subscriptions, the ledger, and a place to script faults."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from simulator.chain.faults import Fault
from simulator.chain.state import ChainState
from simulator.chain.topics import ChainTopic

MAX_SUBSCRIPTIONS = 5
"""Of one client, as the real node allows by default."""

WINDOW_OPENED = "emissions.v10.EventWorkerSubmissionWindowOpened"
_CONDITION = re.compile(r"([\w.]+)\s*(?:=\s*'([^']*)'|(EXISTS))")


@dataclass(eq=False)
class Client:
    """One websocket and what it subscribed to: query → the subscription's id."""

    socket: web.WebSocketResponse
    subscriptions: dict[str, Any] = field(default_factory=dict)


def matches(query: str, event: str, attributes: dict[str, str]) -> bool:
    """Whether a query asks for this event; conditions on event attributes must all hold."""
    for name, value, exists in _CONDITION.findall(query):
        if name == "tm.event":
            if value != "NewBlockEvents":
                return False
            continue
        kind, _, attribute = name.rpartition(".")
        if kind != event or attribute not in attributes or (not exists and attributes[attribute] != value):
            return False
    return True


class ChainWeb:
    """The aiohttp application around a chain."""

    def __init__(self, state: ChainState, now: Callable[[], float], on_fault: Callable[[Fault], None]) -> None:
        self.state = state
        self._now = now
        self._on_fault = on_fault
        self._clients: set[Client] = set()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/websocket", self._websocket)
        app.router.add_get("/ledger", self._ledger)
        app.router.add_post("/faults", self._script)
        return app

    async def _ledger(self, _: web.Request) -> web.Response:
        topics = {str(topic.id): self._described(topic) for topic in self.state.topics.values()}
        body = {
            "height": self.state.height,
            "submissions": [asdict(entry) for entry in self.state.submissions],
            "refused": self.state.refused,
            "topics": topics,
        }
        return web.json_response(body)

    def _described(self, topic: ChainTopic) -> dict[str, Any]:
        settled = topic.settled(self.state.height, self.state.time_ms)
        return {
            "metadata": topic.metadata,
            "active": topic.active,
            "epoch_blocks": topic.epoch_blocks,
            "window_blocks": topic.window_blocks,
            "registered": sorted(topic.registered),
            "measure": topic.measure,
            "settled": None if settled is None else {"nonce": settled, "values": topic.rounds[settled]},
        }

    async def _script(self, request: web.Request) -> web.Response:
        try:
            fault = Fault(**await request.json())
        except (TypeError, ValueError) as error:
            return web.json_response({"error": {"code": "bad_fault", "message": str(error), "hint": ""}}, status=400)
        self._on_fault(fault)
        return web.json_response({"scripted": asdict(fault)})

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if self.state.faults.lasts("restart", self._now()):
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        client = Client(socket)
        self._clients.add(client)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._answer(client, json.loads(message.data))
        finally:
            self._clients.discard(client)
        return socket

    async def _answer(self, client: Client, request: dict[str, Any]) -> None:
        query = request.get("params", {}).get("query", "")
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"], "result": {}}
        if request["method"] == "unsubscribe":
            client.subscriptions.pop(query, None)
        elif query in client.subscriptions:
            answer = _refused(request, "already subscribed")
        elif len(client.subscriptions) >= MAX_SUBSCRIPTIONS:
            answer = _refused(request, f"max_subscriptions_per_client {MAX_SUBSCRIPTIONS} reached")
        else:
            client.subscriptions[query] = request["id"]
        await client.socket.send_json(answer)

    async def announce(self, opened: list[ChainTopic]) -> None:
        """Push the newest block to every client: its header, and the windows it opened."""
        if self.state.faults.lasts("websocket_silence", self._now()):
            return
        await asyncio.gather(*(self._push(client, opened) for client in list(self._clients)), return_exceptions=True)

    async def _push(self, client: Client, opened: list[ChainTopic]) -> None:
        height = str(self.state.height)
        for query, number in list(client.subscriptions.items()):
            if "NewBlockHeader" in query:
                value: dict[str, Any] = {"header": {"height": height, "chain_id": self.state.chain_id}}
                await client.socket.send_json(_frame(number, query, "NewBlockHeader", value))
                continue
            wanted = [event for topic in opened if (event := self._event(topic, query)) is not None]
            if wanted:
                await client.socket.send_json(_frame(number, query, "NewBlockEvents", {"height": height, "events": wanted}))

    def _event(self, topic: ChainTopic, query: str) -> dict[str, Any] | None:
        attributes = {
            "topic_id": f'"{topic.id}"',
            "nonce_block_height": f'"{self.state.height}"',
            "window_end_block": f'"{self.state.window_end(topic, self.state.height)}"',
        }
        if not matches(query, WINDOW_OPENED, attributes):
            return None
        return {
            "type": WINDOW_OPENED,
            "attributes": [{"key": key, "value": value, "index": True} for key, value in attributes.items()],
        }

    async def disconnect(self) -> None:
        """Close every websocket, as a node that restarts does."""
        for client in list(self._clients):
            await client.socket.close(code=WSCloseCode.GOING_AWAY)


def _frame(number: Any, query: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    data = {"type": f"tendermint/event/{kind}", "value": value}
    return {"jsonrpc": "2.0", "id": number, "result": {"query": query, "data": data}}


def _refused(request: dict[str, Any], reason: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32603, "message": "Internal error", "data": reason}}
