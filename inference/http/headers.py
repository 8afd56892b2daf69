"""Headers of every answer: they say how a browser may use it, and whether it has changed since it was last asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

POLICY: Final = "Content-Security-Policy"
EVERYWHERE: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
NO_PAGE: Final = (*EVERYWHERE, (POLICY, "default-src 'none'; frame-ancestors 'none'"))


class SecurityHeaders:
    """Around the application: a number's answer has no time for Flask's own way of setting headers one by one."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Add the headers that the answer does not have itself; a page has a policy of its own."""

        def start(status: str, headers: list[tuple[str, str]], *problem: Any) -> Any:
            has_policy = any(name == POLICY for name, _ in headers)
            return start_response(status, [*headers, *(EVERYWHERE if has_policy else NO_PAGE)], *problem)

        return self._application(environ, start)


def register_headers(app: Flask) -> None:
    """Security headers on everything; an ETag on JSON, so that who asks again is told when nothing has changed."""
    app.wsgi_app = SecurityHeaders(app.wsgi_app)  # type: ignore[method-assign]

    @app.after_request
    def tag(response: Response) -> Response:
        if response.status_code == 200 and response.content_type == "application/json":
            response.headers["Cache-Control"] = "no-cache"
            response.add_etag()
            response.make_conditional(request)
        return response
