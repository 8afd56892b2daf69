"""Addresses as people write them, read where they are written: what is none is refused with what to write instead.

Every function returns the address in the one form that the rest of the node knows, and raises ValueError in words for whoever wrote
it.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_PORT: Final = 65535
TLS_PORT: Final = 443

_HOST: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*\.?|[0-9a-f:.]+(?:%[\w.-]+)?", re.IGNORECASE)
_LONGEST_ECHO: Final = 120


def http_address(text: str) -> str:
    """An http(s) URL, such as http://inference:8000, without a slash at its end."""
    return _split(text, ("http", "https"), "http://host:8000").geturl().rstrip("/")


def websocket_address(text: str) -> str:
    """A ws(s) URL, such as wss://host/websocket."""
    return _split(text, ("ws", "wss"), "wss://host/websocket").geturl()


def grpc_address(text: str) -> str:
    """grpc+https://host:port or grpc+http://host:port; `host:443`, as old files have it, is the former, other ports the latter."""
    given = text.strip().rstrip("/")
    if "://" not in text:
        port = _split(f"grpc+http://{given}", ("grpc+http",), "host:443", shown=text).port
        if port is None:
            raise ValueError(f"{_shown(text)} lacks its port; write {given}:443, or whichever it is")
        return f"grpc+{'https' if port == TLS_PORT else 'http'}://{given}"
    parts = _split(given, ("grpc+http", "grpc+https"), "grpc+https://host:443, or grpc+http://host:9090 without TLS", shown=text)
    if parts.path or parts.query or parts.fragment:
        raise ValueError(f"{_shown(text)} has more than host and port; write {parts.scheme}://{parts.netloc}")
    if parts.port is None and parts.scheme == "grpc+http":
        raise ValueError(f"{_shown(text)} lacks its port; write {given}:9090, or whichever it is")
    return given if parts.port else f"{given}:{TLS_PORT}"


def endpoint_address(text: str) -> str:
    """An http(s) URL that may be a template; what stands behind the host is left as it is."""
    _split(re.sub(r"\s", "", text.strip()), ("http", "https"), "http://inference:8000/inference/{Token}", shown=text)
    return text.strip()


def _split(text: str, schemes: tuple[str, ...], example: str, shown: str | None = None) -> SplitResult:
    """The parts of an address whose scheme is one of these and whose host and port can be."""
    said, given = _shown(text if shown is None else shown), text.strip()
    if not given:
        raise ValueError(f"an address is missing; write {example}")
    if re.search(r"\s|[\x00-\x1f\ufeff]", given):
        raise ValueError(f"{said} has a space in it; write {example}")
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise ValueError(f"{said} is no address: its host or its port cannot be; write {example}") from None
    if parts.scheme not in schemes or "://" not in given:
        raise ValueError(f"{said} does not begin with {' or '.join(f'{each}://' for each in schemes)}; write {example}")
    if not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError(f"{said} names no host; write {example}")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"{said} has no port that can be; write {example}")
    return parts


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}…")
