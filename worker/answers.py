"""Asks an inference endpoint for a number, as strictly as the network's own node reads one.

Exactly status 200 and a bare finite decimal as the whole body: no quotes, no space, no newline. Anything else is no answer, and no
number is better than a wrong one.
"""

from __future__ import annotations

import math
import re
from typing import Final

import aiohttp

from node.errors import SubmissionError

LARGEST_BODY: Final = 128
"""Bytes. The longest double has 24 characters."""

REQUEST_SECONDS: Final = 5.0
LARGEST_EXPONENT: Final = 40
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,3}))?")


def read_decimal(body: bytes) -> float:
    """The number in a response's body; ValueError if the body is anything but a bare finite decimal."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError("the answer is not a number") from None
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"the answer is not a bare decimal: {text[:40]!r}")
    if match[1] is not None and abs(int(match[1])) > LARGEST_EXPONENT:
        raise ValueError(f"the answer's exponent is beyond {LARGEST_EXPONENT}: {text[:40]!r}")
    value = float(text)
    if not math.isfinite(value) or (value != 0 and abs(math.log10(abs(value))) > LARGEST_EXPONENT):
        raise ValueError(f"the answer is out of bounds: {text[:40]!r}")
    return value


class AnswerSource:
    """One HTTP session for all topics."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, url: str) -> float:
        """One request; SubmissionError in plain words if it gives no usable number."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS), auto_decompress=False)
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                body = await response.content.read(LARGEST_BODY + 1)
                while len(body) <= LARGEST_BODY and not response.content.at_eof():
                    body += await response.content.read(LARGEST_BODY + 1)
                if response.status != 200:
                    raise SubmissionError(f"inference answered {response.status}")
                if len(body) > LARGEST_BODY:
                    raise SubmissionError("inference answered far more than a number")
                return read_decimal(body)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise SubmissionError(f"inference could not be asked: {type(error).__name__}") from None
        except ValueError as error:
            raise SubmissionError(str(error)) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
