"""Asking the node's own processes over HTTP, with what Python brings along: every container has the command."""

from __future__ import annotations

import json
import urllib.error
from typing import Any

from cli.context import Place
from node.proxies import without_proxy

MAX_ANSWER_BYTES = 20_000_000
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- compared, not bound  # nosec B104


def addresses(place: Place) -> dict[str, str]:
    """Where each process says how it is."""
    settings = place.settings
    host = "127.0.0.1" if settings.status_host in {EVERYWHERE, "::"} else settings.status_host
    host = f"[{host}]" if ":" in host else host
    return {
        "updater": f"http://{host}:{settings.updater_port}",
        "inference": settings.inference_url.rstrip("/"),
        "worker": f"http://{host}:{settings.worker_port}",
    }


def ask(url: str, seconds: float) -> tuple[int, str] | None:
    """Status and text of the answer, whatever the status; None if nobody answers in time."""
    try:
        with without_proxy().open(url, timeout=seconds) as response:
            return response.status, response.read(MAX_ANSWER_BYTES).decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(MAX_ANSWER_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return None


def ask_json(url: str, seconds: float) -> tuple[int, Any] | None:
    """The same with the body read as JSON; None too if it is not."""
    found = ask(url, seconds)
    if found is None:
        return None
    try:
        return found[0], json.loads(found[1])
    except ValueError:
        return None
