"""GET /openapi.json: the routes for programs.

What is served is the file beside this one, so that nothing is described while the node serves, and that a change of the contract is
seen in review. It is written anew with `python -m inference.routes.openapi > inference/routes/openapi.json`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Response
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from inference.http.gunicorn_worker import NEVER_TURNED_AWAY
from inference.routes.described import JSON, OPENAPI_PATH, PATH_PARAMETERS, ROUTES, Route
from inference.routes.schemas import ErrorAnswer
from node.version import VERSION

ABOUT: Final = (
    "The newest forecasts of an Allora worker node, and how it is doing. Everything is read with GET or HEAD; other methods are "
    "answered 405. Every error is JSON of one form. JSON has an ETag: who sends it back gets 304 while nothing has changed."
)
WRITTEN: Final = Path(__file__).with_suffix(".json")
Schemas = Mapping[Any, dict[str, Any]]


class StrictSchema(GenerateJsonSchema):
    """An answer holds what is described and nothing else; names speak for themselves and need no titles."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        return super().typed_dict_schema(schema) | {"additionalProperties": False}


def openapi() -> Blueprint:
    """The route."""
    routes = Blueprint("openapi", __name__)
    body = WRITTEN.read_bytes()

    @routes.get(OPENAPI_PATH, endpoint="openapi")
    def describe() -> Response:
        return Response(body, content_type=JSON)

    return routes


def document() -> dict[str, Any]:
    """The OpenAPI document, made of `described_routes`, of the shapes of the answers, and of what the errors say of themselves."""
    kinds = {kind for route in ROUTES for kind in (*route.gives.values(), route.unwell)} | {ErrorAnswer}
    named, definitions = TypeAdapter.json_schemas(
        [(kind, "serialization", TypeAdapter(kind)) for kind in sorted(kinds - {None}, key=str)],
        ref_template="#/components/schemas/{model}",
        schema_generator=StrictSchema,
    )
    schemas = {kind: schema for (kind, _), schema in named.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Allora worker node", "version": VERSION, "description": ABOUT},
        "paths": {re.sub(r"<(\w+)>", r"{\1}", route.path): {"get": _operation(route, schemas)} for route in ROUTES},
        "components": {"schemas": definitions["$defs"]},
    }


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    return {
        "operationId": route.name,
        "tags": [route.part],
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": _responses(route, schemas),
    }


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name][0],
            "schema": {"type": "string"},
            "example": PATH_PARAMETERS[name][1],
        }
        for name in re.findall(r"<(\w+)>", route.path)
    ]
    in_query = [
        {"name": query.name, "in": "query", "description": query.meaning, "schema": query.schema, "example": query.example}
        for query in route.query
    ]
    return in_path + in_query


def _responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    content = {media: {"schema": schemas[kind]} for media, kind in route.gives.items()}
    found: dict[str, dict[str, Any]] = {"200": {"description": route.summary, "content": content}}
    if JSON in route.gives:
        tag = {"ETag": {"description": "Of this very content.", "schema": {"type": "string"}, "required": True}}
        found["200"]["headers"] = tag
        found["304"] = {"description": "Nothing has changed since the answer with the ETag in If-None-Match.", "headers": tag}
    if route.unwell:
        found["503"] = {"description": "It is not so.", "content": {JSON: {"schema": schemas[route.unwell]}}}
    codes = {status: dict([refusal]) for status, refusal in route.refuses_also.items()}
    if not route.path.startswith(NEVER_TURNED_AWAY):
        codes.setdefault(503, {}).setdefault("busy", "More is asked than can be answered.")
    for error in route.refuses:
        codes.setdefault(error.status, {})[error.code] = (error.__doc__ or "").splitlines()[0]
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


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), ensure_ascii=False, indent=1) + "\n")
