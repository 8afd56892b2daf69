"""The token and the topic in a request, which the routes of one topic have in common, and how such a request is refused."""

from __future__ import annotations

from typing import Final

from inference.answers.snapshot import MAX_TOPIC_ID_DIGITS, TopicState
from inference.http.query import QueryParameter
from inference.routes.context import Context
from inference.routes.route import PathParameter
from node.errors import AnswerError, BadParameterError, NotReadyError, UnknownTokenError, UnknownTopicError

TOKEN: Final = PathParameter("token", "A token of config.json, in any case.", "BTC")
TOPIC: Final = QueryParameter(
    "topic",
    "id",
    "A topic of this token; without it, the first one in config.json.",
    example=3,
    minimum=0,
    maximum=10**MAX_TOPIC_ID_DIGITS - 1,
)
TOPIC_ERRORS: Final[tuple[type[AnswerError], ...]] = (BadParameterError, UnknownTokenError, UnknownTopicError, NotReadyError)


def find_topic(context: Context, token: str) -> TopicState:
    """The state of the topic that the present request means; one of TOPIC_ERRORS if there is none."""
    return context.current.snapshot.find(token, TOPIC.text).state
