"""What every answer says beside its content: how a browser may use it, and whether it has changed since it was last asked for."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, request

EVERYWHERE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def register_headers(app: Flask) -> None:
    """Security headers on everything; an ETag on JSON, so that who asks again is told when nothing has changed."""

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in EVERYWHERE.items():
            response.headers.setdefault(name, value)
        if response.status_code == 200 and response.mimetype == "application/json":
            response.headers["Cache-Control"] = "no-cache"
            response.add_etag()
            response.make_conditional(request)
        return response
