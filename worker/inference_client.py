"""Asking the inference service for a number, as strictly as the official node reads it.

One GET; the status must be exactly 200 and the whole body must be the number: a bare decimal without quotes, space or newline and
with an exponent of at most 40. Anything else is no answer, never a number made to fit.
"""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import dataclass
from typing import Final

import aiohttp

from node.decimal_text import MAX_EXPONENT
from node.errors import NoAnswerError
from node.topics import ACCEPTED_HEADER, WORKER_AGENT
from worker.nonce_time import PLACEHOLDER as NONCE_TIME

MAX_ANSWER_BYTES: Final = 128
REQUEST_SECONDS: Final = 5.0
REHEARSAL_AGENT: Final = f"{WORKER_AGENT}-rehearsal"
"""Of questions whose answers are looked at and never submitted: another name, so that nobody counts them as what was."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,4}))?", re.ASCII)


def read_number(body: bytes) -> float:
    """The body as a finite float; ValueError saying what is wrong with it."""
    if len(body) > MAX_ANSWER_BYTES:
        raise ValueError(f"answered more than {MAX_ANSWER_BYTES} bytes")
    match = _NUMBER.fullmatch(body.decode("latin-1"))
    if match is None:
        raise ValueError(f"answered {body[:40]!r}, which is not a bare decimal")
    if match[1] is not None and abs(int(match[1])) > MAX_EXPONENT:
        raise ValueError(f"answered {body[:40]!r}, whose exponent is beyond {MAX_EXPONENT}")
    value = float(body)
    if not math.isfinite(value) or (value != 0 and abs(math.log10(abs(value))) > MAX_EXPONENT):
        raise ValueError(f"answered {body[:40]!r}, which no forecast can be")
    return value


@dataclass(frozen=True, slots=True)
class Question:
    """What an endpoint is asked: about which nonce, whose time is in milliseconds UTC."""

    endpoint: str
    block: int = 0
    nonce_ms: int | None = None
    accepted_ms: int | None = None
    """Time of the nonce whose answer the chain last accepted; said to endpoints that are asked by a nonce's time."""
    rehearsal: bool = False

    @property
    def by_time(self) -> bool:
        """Whether the endpoint is asked by the nonce's time."""
        return NONCE_TIME in self.endpoint

    @property
    def url(self) -> str:
        url = self.endpoint.replace("{BlockHeight}", str(self.block))
        return url if self.nonce_ms is None else url.replace(NONCE_TIME, str(self.nonce_ms))

    @property
    def headers(self) -> dict[str, str]:
        headers = {"User-Agent": REHEARSAL_AGENT if self.rehearsal else WORKER_AGENT}
        if self.by_time and self.accepted_ms is not None:
            headers[ACCEPTED_HEADER] = str(self.accepted_ms)
        return headers


@dataclass(slots=True)
class InferenceClient:
    """Asks one endpoint after another over kept connections, and remembers how the last request went."""

    session: aiohttp.ClientSession
    problem: str | None = None
    """Why the newest request brought no number; None if it did, or before the first."""

    @classmethod
    def open(cls) -> InferenceClient:
        """A client of its own; call it in a running event loop and close it there."""
        connector = aiohttp.TCPConnector(limit=64)
        headers = {"Accept-Encoding": "identity"}
        session = aiohttp.ClientSession(connector=connector, auto_decompress=False, headers=headers, trust_env=False)
        return cls(session)

    async def close(self) -> None:
        await self.session.close()

    async def ask(self, question: Question, deadline: float, pause: float) -> float:
        """Ask until there is a number; NoAnswerError at `deadline` (event loop time). `pause` seconds lie between two tries."""
        url = question.url
        loop = asyncio.get_running_loop()
        reason = ""
        while (left := deadline - loop.time()) > 0:
            try:
                value = await self._ask_once(question, min(left, REQUEST_SECONDS))
            except TimeoutError:
                # A try that the deadline cuts short tells less than the answer before it.
                if not reason or left >= REQUEST_SECONDS:
                    reason = f"did not answer within {min(left, REQUEST_SECONDS):.1f} s"
            except ValueError as error:
                reason = str(error)
            else:
                self.problem = None
                return value
            self.problem = f"{url} {reason}"
            await asyncio.sleep(max(0.0, min(pause, deadline - loop.time())))
        reason = reason or "was not asked: there was no time left"
        raise NoAnswerError(f"{url} {reason}", hint="Is the inference service running and ready?")

    async def _ask_once(self, question: Question, seconds: float) -> float:
        """TimeoutError if it takes longer, ValueError saying why what came is no number."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            asked = self.session.get(question.url, timeout=timeout, allow_redirects=False, headers=question.headers)
            async with asked as response:
                if response.status != 200:
                    raise ValueError(f"answered status {response.status}")
                body = b""
                while len(body) <= MAX_ANSWER_BYTES and (chunk := await response.content.read(MAX_ANSWER_BYTES + 1)):
                    body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    response.close()
        except TimeoutError:  # an OSError as well, but not one of the connection's
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise ValueError(f"cannot be reached: {error or type(error).__name__}") from None
        return read_number(body)
