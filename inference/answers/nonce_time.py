"""The moment a request asks about: `nonce_time`, the time in the header of the nonce's block, and the answer for its interval."""

from __future__ import annotations

from typing import Final

from forecasting.prediction.composition import compose
from inference.answers.snapshot import RETRY_NO_ANSWER_SECONDS, Answer, TopicState
from node.decimal_text import decimal_text
from node.durations import HOUR_MS, MINUTE_MS
from node.errors import BadParameterError, ForecastError, NotReadyError
from node.timestamps import utc_text
from node.truth import TopicInterval

MAX_NONCE_AGE_MS: Final = 2 * HOUR_MS
"""The longest submission window known, 576 blocks, is open for less than an hour."""
MAX_NONCE_AHEAD_MS: Final = MINUTE_MS
"""The chain's clock may be ahead of this machine's."""
PRICE_MINUTES: Final = (MAX_NONCE_AGE_MS + MAX_NONCE_AHEAD_MS) // MINUTE_MS + 1
"""Prices that must be at hand to answer for the oldest base."""
MAX_NONCE_TIME_DIGITS: Final = 15
HINT: Final = "The time in the header of the nonce's block, in milliseconds since 1970 UTC."


def parse_asked_interval(state: TopicState, nonce_time: str, now_ms: int) -> TopicInterval:
    """The interval that a request means; BadParameterError if it has not begun, is over or began too long ago."""
    if not (nonce_time.isascii() and nonce_time.isdigit() and len(nonce_time) <= MAX_NONCE_TIME_DIGITS):
        raise BadParameterError(f"nonce_time={nonce_time[:20]!r} is not a moment in milliseconds", hint=HINT)
    time_ms = int(nonce_time)
    if not now_ms - MAX_NONCE_AGE_MS <= time_ms <= now_ms + MAX_NONCE_AHEAD_MS:
        span = f"{utc_text(now_ms - MAX_NONCE_AGE_MS)} to {utc_text(now_ms + MAX_NONCE_AHEAD_MS)}"
        raise BadParameterError(f"nonce_time={time_ms} is none of {span}, for which there are answers now", hint=HINT)
    asked = TopicInterval.of_nonce(state.topic.task, time_ms)
    if asked.end_ms <= now_ms:
        raise BadParameterError(f"the interval of nonce_time={time_ms} ended at {utc_text(asked.end_ms)}", hint=HINT)
    return asked


def compute_answer(state: TopicState, answer: Answer, asked: TopicInterval) -> tuple[float, bytes]:
    """The answer for an interval, as a number and as it is sent; NotReadyError if what must be known of it is not."""
    try:
        value = compose(asked, answer.forecast.log_return_or_log_vol, answer.prices)
        return value, decimal_text(value).encode("ascii")
    except ForecastError as error:
        message = f"{state.topic}: {error.message}"
        raise NotReadyError(message, retry_after=RETRY_NO_ANSWER_SECONDS, hint=error.hint) from None
