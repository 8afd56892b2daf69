"""Answers that the application has no part in: to a request that is turned away, and to one that is no HTTP."""

from __future__ import annotations

import socket
from typing import Any

from gunicorn import util

from node.error_body import error_body


def send_busy(client: socket.socket, why: str) -> None:
    """Tell the client to come back in a second."""
    _send(client, "503 Service Unavailable", error_body("busy", why, "Ask again in a second."), "Retry-After: 1\r\n")


def send_bad_request(client: socket.socket) -> None:
    """Tell the client that its request cannot be read."""
    _send(client, "400 Bad Request", error_body("bad_request", "this is not a request that HTTP knows", "GET / lists the routes."))


def send_internal_error(client: socket.socket) -> None:
    """Tell the client that its request failed for a reason nobody foresaw."""
    body = error_body("internal_error", "this should not have happened", "The log of inference says more.")
    _send(client, "500 Internal Server Error", body)


def has_body(request: Any) -> bool:
    """True if something of a gunicorn request is still to be read behind its head."""
    reader = getattr(getattr(request, "body", None), "reader", None)
    return reader is not None and getattr(reader, "length", None) != 0


def _send(client: socket.socket, status: str, body: bytes, more: str = "") -> None:
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n{more}"
    util.write_nonblock(client, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
