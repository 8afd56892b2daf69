"""One HTTP GET that ends: bounded in size and in time as a whole, not only in the pauses between two bytes.

A socket's read time-out starts again with every byte, so that a server which sends one byte now and then can hold a client for
ever; and its connect time-out starts again with every address that a name has. Here one deadline holds for the whole request: while
the name is looked up it is waited for no longer, the addresses share what time there is to connect, and from then on the connection
is shut at the deadline, whether it is a handshake, a proxy, headers or the body that is awaited.

Of the environment, proxies and certificates are honoured, and nothing else: a password that stands in a `.netrc` is sent to nobody.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, NoReturn

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from market.deadline import Limit, Limits, bounded_pools
from node.errors import ExchangeUnreachableError
from node.proxies import named, proxy_of

MAX_BODY_BYTES: Final = 4_000_000
"""In bytes; a page of 1000 candles has about 200,000."""

PROXY_REFUSES: Final = 407
"""The status with which a proxy asks for a password."""

MAX_AGE_SECONDS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response. `proxy` is the one it came through, without user and password."""

    status: int
    headers: CaseInsensitiveDict[str]
    body: bytes
    proxy: str = ""

    def json(self) -> Any:
        """The body; ValueError if it is not JSON, or holds a NaN, which JSON does not have."""
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    @property
    def made_ms(self) -> int | None:
        """When the answer was made, by its Date in whole seconds; None if it does not say. A cache hands on what is old."""
        try:
            return round(parsedate_to_datetime(self.headers.get("Date", "")).timestamp()) * 1000
        except (TypeError, ValueError, OverflowError):
            return None

    @property
    def sent_ms(self) -> int | None:
        """The server's time when it sent the answer: that at which it was made and the Age that a cache gives it."""
        age, made_ms = self.headers.get("Age", "").strip(), self.made_ms
        if made_ms is None or not age.isdecimal():
            return made_ms
        return made_ms + min(int(age[:12]), MAX_AGE_SECONDS) * 1000

    @property
    def start(self) -> str:
        """The beginning of the body, for messages."""
        return repr(self.body[:80].decode("utf-8", "replace"))

    @property
    def status_text(self) -> str:
        """What it answered and through which proxy, for messages: behind the address it reads as a sentence."""
        return f"answered {self.status}" + (f" through the proxy {self.proxy}" if self.proxy else "")


def earlier(now_ms: int, answer: Answer) -> int:
    """The earlier of our time and that at which the answer was made, which its Date header tells in whole seconds.

    With a clock that runs ahead, the candle still forming would pass for a closed one.
    """
    made_ms = answer.made_ms
    return now_ms if made_ms is None else min(now_ms, made_ms + 999)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class BoundedHttp:
    """GET requests of at most `total_timeout` seconds each; `timeouts` are those of connecting and of one read.

    An answer longer than `largest_body` bytes is given up. `headers` go with every request.
    """

    def __init__(
        self,
        timeouts: tuple[float, float],
        total_timeout: float,
        largest_body: int = MAX_BODY_BYTES,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._timeouts, self._total_timeout, self._largest_body = timeouts, total_timeout, largest_body
        self._session = requests.Session()
        # It would look for passwords in ~/.netrc, and send its default one to everybody.
        self._session.trust_env = False
        # What caches along the way hold is of no use here.
        self._session.headers.update({"User-Agent": "allora-worker-node", "Cache-Control": "no-cache"} | dict(headers or {}))
        self._limits = Limits(timeouts[0])
        self._adapter = HTTPAdapter()
        self._adapter.poolmanager.pool_classes_by_scheme = bounded_pools(self._limits)
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)

    def get(self, url: str, query: dict[str, Any]) -> Answer:
        """The answer, whatever its status; ExchangeUnreachableError if there is none, or not all of it, in time."""
        proxy = proxy_of(url)
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        if proxy and proxy.startswith("http"):
            # A proxy has pools of its own, and they are made with the first request.
            self._adapter.proxy_manager_for(proxy).pool_classes_by_scheme = bounded_pools(self._limits)
        limit = self._limits.begin(self._total_timeout)
        try:
            with self._session.get(
                url,
                params=query,
                timeout=self._timeouts,
                stream=True,
                allow_redirects=False,
                proxies=proxies,
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
            ) as response:
                body = _read_body(response, limit, self._largest_body)
                return Answer(response.status_code, response.headers, body, named(proxy) if proxy else "")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            reason = "no answer in time" if limit.is_over else _reason(error)
            raise ExchangeUnreachableError(f"{url}: {reason}{_through(proxy, error)}", hint=_hint(proxy)) from None
        finally:
            limit.end()

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()


def _read_body(response: requests.Response, limit: Limit, largest: int) -> bytes:
    body = bytearray()
    while True:
        # read1 hands over what has arrived; read would wait until there is enough of it.
        part = response.raw.read1(65_536, decode_content=True)
        if limit.is_over:
            raise requests.Timeout
        body += part
        if len(body) > largest:
            raise requests.RequestException(f"the answer is longer than {largest} bytes")
        if not part:
            return bytes(body)


def _reason(error: Exception) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)[:200] or type(error).__name__


def _through(proxy: str | None, error: Exception) -> str:
    """Which proxy the request went through, and what it said if it refused."""
    if proxy is None:
        return ""
    said = str(error)
    refusal = (
        said[said.find("Tunnel connection failed") :].split("'", maxsplit=1)[0].strip(' )"')
        if "Tunnel connection failed" in said
        else ""
    )
    return f" through the proxy {named(proxy)}" + (f" ({refusal})" if refusal else "")


def _hint(proxy: str | None) -> str:
    if proxy is None:
        return "It is asked again with the next candle."
    return "Is the proxy right? http_proxy and https_proxy name it; no_proxy names what is asked without it."
