"""Every route in words: what it is for, takes and gives, and when it refuses. /openapi.json and `GET /` are made of this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from inference.answers.nonce_time import MAX_DIGITS
from inference.answers.snapshot import LONGEST_NUMBER
from inference.routes.candles import MOST_BARS, USUAL_BARS
from inference.routes.dashboard import KINDS
from inference.routes.dashboard_library import LIBRARY_PATH
from inference.routes.forecast import MOST_STEPS, USUAL_STEPS
from inference.routes.schemas import (
    CandlesShown,
    Decimal,
    LiveShown,
    ModelShown,
    PathShown,
    ReadyShown,
    TopicScored,
    TopicShown,
    UpdaterShown,
)
from node.errors import AnswerError, BadParameterError, NotReadyError, UnknownTokenError, UnknownTopicError
from node.health import LIVE_PATH, METRICS_PATH, READY_PATH

OPENAPI_PATH: Final = "/openapi.json"
JSON: Final = "application/json"
TEXT: Final = "text/plain"


class Query(NamedTuple):
    """A parameter in the query; `sign` stands for its value in the list of routes."""

    name: str
    sign: str
    meaning: str
    schema: Mapping[str, Any]
    example: int


TOPIC: Final = Query(
    "topic",
    "id",
    "A topic of this token; without it, the first one in config.json.",
    {"type": "integer", "minimum": 0, "maximum": 10**LONGEST_NUMBER - 1},
    3,
)
NONCE_TIME: Final = Query(
    "nonce_time",
    "ms",
    "The time in the header of the nonce's block: answers for the interval that began with it. Without it, for the newest minute.",
    {"type": "integer", "minimum": 0, "maximum": 10**MAX_DIGITS - 1},
    1_750_003_220_000,
)
STEPS: Final = Query(
    "steps",
    "n",
    "In how many equal steps to show the way.",
    {"type": "integer", "minimum": 1, "maximum": MOST_STEPS, "default": USUAL_STEPS},
    4,
)
BARS: Final = Query(
    "bars",
    "n",
    "How many of the newest candles.",
    {"type": "integer", "minimum": 1, "maximum": MOST_BARS, "default": USUAL_BARS},
    20,
)

PATH_PARAMETERS: Final[dict[str, tuple[str, str]]] = {
    "token": ("A token of config.json, in any case.", "BTC"),
    "digest": ("Of all files of the page together, so that a browser may keep them for ever.", "0a1b2c3d4e5f"),
    "name": ("One of the page's files.", "main.js"),
}
"""Meaning and an example."""

OF_A_TOPIC: Final[tuple[type[AnswerError], ...]] = (BadParameterError, UnknownTokenError, UnknownTopicError, NotReadyError)


@dataclass(frozen=True, slots=True)
class Route:
    """One route: `path` as Flask has it; `gives`, what each kind of content holds; `unwell`, what a 503 that is no error holds."""

    path: str
    name: str
    summary: str
    gives: Mapping[str, Any]
    query: tuple[Query, ...] = ()
    refuses: tuple[type[AnswerError], ...] = ()
    refuses_also: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """Code and meaning of a refusal that is not the application's own, by status."""
    unwell: Any = None
    part: str = "node"

    @property
    def address(self) -> str:
        """With its parameters, for people."""
        query = "&".join(f"{parameter.name}=<{parameter.sign}>" for parameter in self.query)
        return f"{self.path}?{query}" if query else self.path


ROUTES: Final = (
    Route(
        "/inference/<token>",
        "inference",
        "a topic's forecast: a bare decimal",
        {TEXT: Decimal},
        (TOPIC, NONCE_TIME),
        OF_A_TOPIC,
        part="answers",
    ),
    Route(
        "/forecast/<token>",
        "forecast",
        "the way to the horizon in n steps, with intervals",
        {JSON: PathShown},
        (TOPIC, STEPS),
        OF_A_TOPIC,
        part="answers",
    ),
    Route(
        "/candles/<token>",
        "candles",
        "the newest n candles that topic's model reads, and the answers made for their time",
        {JSON: CandlesShown},
        (TOPIC, BARS),
        OF_A_TOPIC,
        part="answers",
    ),
    Route("/topics", "topics", "every topic: its answer, its model, or why there is none", {JSON: list[TopicShown]}),
    Route("/models", "models", "every model: its champion, its history, and the reasons", {JSON: list[ModelShown]}),
    Route("/scores", "scores", "how good the answers given were, by topic and by version", {JSON: list[TopicScored]}),
    Route("/updater", "updater", "what the updater is doing, topic by topic", {JSON: UpdaterShown}, refuses=(NotReadyError,)),
    Route(LIVE_PATH, "live", "whether the process works", {JSON: LiveShown}, unwell=LiveShown, part="health"),
    Route(
        READY_PATH,
        "ready",
        "whether every topic has a fresh answer, and which has not",
        {JSON: ReadyShown},
        unwell=ReadyShown,
        part="health",
    ),
    Route(METRICS_PATH, "metrics", "for Prometheus", {TEXT: str}, part="health"),
    Route(OPENAPI_PATH, "openapi", "all of this for programs, as OpenAPI", {JSON: dict[str, Any]}),
    Route("/", "home", "the dashboard, or this list for whoever does not ask for HTML", {TEXT: str, "text/html": str}, part="page"),
    Route(
        "/dashboard/<digest>/<name>",
        "dashboard_file",
        "a file of the dashboard",
        dict.fromkeys(KINDS.values(), str),
        refuses_also={404: ("not_found", "There is no such file.")},
        part="page",
    ),
    Route(
        LIBRARY_PATH,
        "dashboard_library",
        "the library that draws charts",
        {KINDS[".js"]: str},
        refuses_also={503: ("busy", "Others are being sent this file.")},
        part="page",
    ),
)


def list_of_routes() -> str:
    """For people who ask with curl. Files of the dashboard are of no use to them."""
    listed = [route for route in ROUTES if not route.name.startswith("dashboard")]
    width = max(len(route.address) for route in listed) + 2
    return "".join(f"{route.address:<{width}}{route.summary}\n" for route in listed)
