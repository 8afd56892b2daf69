"""GET /inference/<token>: a topic's forecast as a bare decimal, which is what the worker submits.

Everything was computed beforehand, except whether it is still right to serve, and what is known of the interval asked about.
"""

from __future__ import annotations

from typing import Final

from flask import Response, request

from forecasting.live.submissions import TakenAnswer
from inference.answers.nonce_time import MAX_NONCE_TIME_DIGITS, compute_answer, parse_asked_interval
from inference.answers.snapshot import Answer
from inference.http.query import QueryParameter
from inference.routes.context import Context
from inference.routes.route import TEXT, Route
from inference.routes.schemas import Decimal
from inference.routes.topic_parameters import TOKEN, TOPIC, TOPIC_ERRORS
from node.topics import ACCEPTED_HEADER, WORKER_AGENT
from node.truth import base_time

NONCE_TIME: Final = QueryParameter(
    "nonce_time",
    "ms",
    "The time in the header of the nonce's block: answers for the interval that began with it. Without it, for the newest minute.",
    example=1_750_003_220_000,
    minimum=0,
    maximum=10**MAX_NONCE_TIME_DIGITS - 1,
)


def show_answer(context: Context, token: str) -> Response:
    """The number, or the reason why none may be served now."""
    is_worker = request.environ.get("HTTP_USER_AGENT") == WORKER_AGENT
    served = context.current.snapshot.find(token, TOPIC.text, ambiguous=not is_worker)
    state, now_ms = served.state, context.clock.now_ms()
    if is_worker:
        context.current.asked[state.topic.id] = now_ms
        _report_accepted(context, state.topic.id)
    if served.body is None or now_ms > served.expires_ms:
        refusal = state.refusal(now_ms)
        if refusal is not None:
            raise refusal
    body, nonce_time = served.body, NONCE_TIME.text
    if nonce_time is not None and isinstance(state.outcome, Answer):
        asked = parse_asked_interval(state, nonce_time, now_ms)
        value, body = compute_answer(state, state.outcome, asked)
        if is_worker:
            made = state.outcome
            context.on_taken(TakenAnswer(state.topic.id, asked, now_ms, made.version, value, made.forecast.scale))
    return Response(body, content_type="text/plain; charset=utf-8")


def _report_accepted(context: Context, topic_id: int) -> None:
    """The worker names in its next request the nonce time that the chain accepted last; anything but a moment is ignored."""
    accepted = request.headers.get(ACCEPTED_HEADER, "")
    if accepted.isascii() and accepted.isdigit() and len(accepted) <= MAX_NONCE_TIME_DIGITS:
        context.on_accepted(topic_id, base_time(int(accepted)))


ROUTE: Final = Route(
    "/inference/<token>",
    "inference",
    "a topic's forecast: a bare decimal",
    show_answer,
    {TEXT: Decimal},
    path_parameters=(TOKEN,),
    query=(TOPIC, NONCE_TIME),
    errors=TOPIC_ERRORS,
    tag="answers",
)
