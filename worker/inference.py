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

from node.errors import NoAnswerError
from node.topics import WORKER_AGENT

LARGEST_BODY: Final = 128
LARGEST_EXPONENT: Final = 40
REQUEST_SECONDS: Final = 5.0
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,4}))?", re.ASCII)


def read_number(body: bytes) -> float:
    """The body as a finite float; ValueError saying what is wrong with it."""
    if len(body) > LARGEST_BODY:
        raise ValueError(f"answered more than {LARGEST_BODY} bytes")
    match = _NUMBER.fullmatch(body.decode("latin-1"))
    if match is None:
        raise ValueError(f"answered {body[:40]!r}, which is not a bare decimal")
    if match[1] is not None and abs(int(match[1])) > LARGEST_EXPONENT:
        raise ValueError(f"answered {body[:40]!r}, whose exponent is beyond {LARGEST_EXPONENT}")
    value = float(body)
    if not math.isfinite(value) or (value != 0 and abs(math.log10(abs(value))) > LARGEST_EXPONENT):
        raise ValueError(f"answered {body[:40]!r}, which no forecast can be")
    return value


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
        headers = {"Accept-Encoding": "identity", "User-Agent": WORKER_AGENT}
        session = aiohttp.ClientSession(connector=connector, auto_decompress=False, headers=headers, trust_env=False)
        return cls(session)

    async def close(self) -> None:
        await self.session.close()

    async def ask(self, endpoint: str, block: int, deadline: float, pause: float) -> float:
        """Ask until there is a number; NoAnswerError at `deadline` (event loop time). `pause` seconds lie between two tries."""
        url = endpoint.replace("{BlockHeight}", str(block))
        loop = asyncio.get_running_loop()
        reason = ""
        while (left := deadline - loop.time()) > 0:
            try:
                value = await self._ask_once(url, min(left, REQUEST_SECONDS))
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

    async def _ask_once(self, url: str, seconds: float) -> float:
        """TimeoutError if it takes longer, ValueError saying why what came is no number."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self.session.get(url, timeout=timeout, allow_redirects=False) as response:
                if response.status != 200:
                    raise ValueError(f"answered status {response.status}")
                body = b""
                while len(body) <= LARGEST_BODY and (chunk := await response.content.read(LARGEST_BODY + 1)):
                    body += chunk
                if len(body) > LARGEST_BODY:
                    response.close()
        except TimeoutError:  # an OSError as well, but not one of the connection's
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise ValueError(f"cannot be reached: {error or type(error).__name__}") from None
        return read_number(body)
