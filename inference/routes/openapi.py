"""GET /openapi.json: the routes for programs, made from what the routes themselves are made from.

The document is written once, when the process starts, which takes a twentieth of a second and less than a megabyte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from flask import Response
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from inference.http.limits import NEVER_TURNED_AWAY
from inference.routes.context import Context
from inference.routes.route import JSON, Route
from inference.routes.schemas import ErrorAnswer
from node.errors import AnswerError, BadParameterError, NotReadyError, UnknownTokenError, UnknownTopicError
from node.version import VERSION

ABOUT: Final = (
    "The newest forecasts of an Allora worker node, and how it is doing. Everything is read with GET or HEAD; other methods are "
    "answered 405. Every error is JSON of one form. JSON has an ETag: who sends it back gets 304 while nothing has changed."
)
BUILT: Final = Path(__file__).with_suffix(".json")
"""Written when the image is built: types describe themselves by docstrings, which its processes, run with -OO, do not have."""

Schemas = Mapping[Any, dict[str, Any]]


class StrictSchema(GenerateJsonSchema):
    """An answer holds what is described and nothing else; names speak for themselves and need no titles."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        return super().typed_dict_schema(schema) | {"additionalProperties": False}


MEANINGS: Final[Mapping[type[AnswerError], str]] = {
    BadParameterError: "A query parameter that cannot be read.",
    UnknownTokenError: "No topic in config.json has this token.",
    UnknownTopicError: "No topic in config.json has this number and token.",
    NotReadyError: "No verified model, or no fresh candle.",
}
"""What each error says of itself: not its docstring, for Python run with -OO has none."""


@cache
def write_document(routes: tuple[Route, ...]) -> bytes:
    """The document as it is sent: the one that the image was built with, or made now."""
    if BUILT.exists():
        return BUILT.read_bytes()
    return (json.dumps(describe_routes(routes), ensure_ascii=False, indent=1) + "\n").encode()


def describe_routes(routes: tuple[Route, ...]) -> dict[str, Any]:
    """The OpenAPI document of these routes, of the types of their answers, and of what the errors say of themselves."""
    kinds = {kind for route in routes for kind in (*route.content.values(), route.unhealthy_content)} | {ErrorAnswer}
    in_order = sorted(kinds - {None}, key=str)
    # One tuple of all types takes two thirds of the time that the types take one by one.
    together = TypeAdapter(tuple[tuple(in_order)]).json_schema(  # type: ignore[arg-type, misc]
        mode="serialization", ref_template="#/components/schemas/{model}", schema_generator=StrictSchema
    )
    schemas = dict(zip(in_order, together["prefixItems"], strict=True))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Allora worker node", "version": VERSION, "description": ABOUT},
        "paths": {re.sub(r"<(\w+)>", r"{\1}", route.path): {"get": _operation(route, schemas)} for route in routes},
        "components": {"schemas": together["$defs"]},
    }


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    return {
        "operationId": route.endpoint,
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": _responses(route, schemas),
    }


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [
        {
            "name": parameter.name,
            "in": "path",
            "required": True,
            "description": parameter.description,
            "schema": {"type": "string"},
            "example": parameter.example,
        }
        for parameter in route.path_parameters
    ]
    in_query = [
        {
            "name": parameter.name,
            "in": "query",
            "description": parameter.description,
            "schema": parameter.schema,
            "example": parameter.example,
        }
        for parameter in route.query
    ]
    return in_path + in_query


def _responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    content = {media: {"schema": schemas[kind]} for media, kind in route.content.items()}
    found: dict[str, dict[str, Any]] = {"200": {"description": route.summary, "content": content}}
    if JSON in route.content:
        tag = {"ETag": {"description": "Of this very content.", "schema": {"type": "string"}, "required": True}}
        found["200"]["headers"] = tag
        found["304"] = {"description": "Nothing has changed since the answer with the ETag in If-None-Match.", "headers": tag}
    if route.unhealthy_content:
        found["503"] = {"description": "It is not so.", "content": {JSON: {"schema": schemas[route.unhealthy_content]}}}
    codes = {status: dict([refusal]) for status, refusal in route.other_errors.items()}
    if not route.path.startswith(NEVER_TURNED_AWAY):
        codes.setdefault(503, {}).setdefault("busy", "More is asked than can be answered.")
    for error in route.errors:
        codes.setdefault(error.status, {})[error.code] = MEANINGS[error]
    found |= {str(status): _refusal(meanings, schemas[ErrorAnswer]) for status, meanings in codes.items()}
    if 503 in codes:
        seconds = {"description": "Seconds until asking again makes sense.", "schema": {"type": "integer", "minimum": 1}}
        found["503"]["headers"] = {"Retry-After": seconds | {"required": True}}
    return dict(sorted(found.items()))


def _refusal(meanings: Mapping[str, str], schema: dict[str, Any]) -> dict[str, Any]:
    examples = {
        code: {"summary": meaning, "value": {"error": {"code": code, "message": "what exactly", "hint": "what to do next"}}}
        for code, meaning in meanings.items()
    }
    return {"description": " ".join(meanings.values()), "content": {JSON: {"schema": schema, "examples": examples}}}


def show_document(context: Context) -> Response:
    """The document as it was written when the process started."""
    return Response(context.openapi, content_type=JSON)


ROUTE: Final = Route("/openapi.json", "openapi", "all of this for programs, as OpenAPI", show_document, {JSON: dict[str, Any]})
