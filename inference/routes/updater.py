"""GET /updater: the updater's progress, topic by topic, in its own words."""

from __future__ import annotations

from typing import Final

from flask import Response, jsonify
from typing_extensions import TypedDict

from inference.routes.context import Context
from inference.routes.readable_data import readable_data
from inference.routes.route import JSON, Route
from inference.routes.schemas import Moment
from node.database import UPDATER
from node.errors import NotReadyError
from node.timestamps import utc_text


class UpdaterTopic(TypedDict):
    """The updater's progress with a topic: candles had of candles wanted, whether there is a champion, and the rest in words."""

    have: int
    want: int
    trained: bool
    state: str
    detail: str


class UpdaterShown(TypedDict):
    """The updater's newest heartbeat; topics by number."""

    heard: Moment | None
    state: str
    topics: dict[str, UpdaterTopic]


def show_updater(context: Context) -> Response:
    """The newest heartbeat as the updater wrote it."""
    with readable_data(context) as data:
        heartbeat = data.heartbeats.last(UPDATER)
    if heartbeat is None:
        return jsonify(heard=None, state="never heard of", topics={})
    return jsonify({"heard": utc_text(heartbeat.at_ms)} | heartbeat.body)


ROUTE: Final = Route(
    "/updater",
    "updater",
    "what the updater is doing, topic by topic",
    show_updater,
    {JSON: UpdaterShown},
    errors=(NotReadyError,),
)
