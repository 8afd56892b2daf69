"""Every error leaves in the one form: {"error": {"code": …, "message": …, "hint": …}}."""

from __future__ import annotations

import structlog
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from node.error_body import error_body
from node.errors import AnswerError, NotReadyError

log = structlog.get_logger(__name__)

HINTS = {
    404: "GET / lists the routes.",
    405: "Every route here is read with GET.",
}


def error_answer(status: int, code: str, message: str, hint: str) -> Response:
    """An error in the one form, as an answer."""
    return Response(error_body(code, message, hint), status, content_type="application/json")


def register_error_answers(app: Flask) -> None:
    """Answer the node's errors, HTTP's own and anything unforeseen in the one form."""

    @app.errorhandler(AnswerError)
    def answer_error(error: AnswerError) -> Response:
        response = error_answer(error.status, error.code, error.message, error.hint)
        if isinstance(error, NotReadyError):
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        name = (error.name or "error").lower()
        response = error_answer(status, name.replace(" ", "_"), name, HINTS.get(status, ""))
        for key, value in error.get_headers():
            if key.lower() in ("allow", "retry-after"):
                response.headers[key] = value
        return response

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        log.exception("request failed", error=error)
        return error_answer(500, "internal_error", "this should not have happened", "The log of inference says more.")
