"""The form that a route's file fills. Flask's rule, /openapi.json and the list of routes at `GET /` are all made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from flask import Flask
from flask.typing import ResponseReturnValue

from inference.http.query import QueryParameter
from inference.routes.context import Context
from node.errors import AnswerError

JSON: Final = "application/json"
TEXT: Final = "text/plain"
HTML: Final = "text/html"


class PathParameter(NamedTuple):
    """A part of a path that the client chooses."""

    name: str
    description: str
    example: str


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One route. Its view gets the context and then what stands in the path."""

    path: str
    """The path as Flask writes it, with `<name>` for each path parameter."""
    endpoint: str
    """The route's name in Flask, in metrics and in /openapi.json."""
    summary: str
    view: Callable[..., ResponseReturnValue]
    content: Mapping[str, Any]
    """The type of the answer's content, for each media type that it can have."""
    path_parameters: tuple[PathParameter, ...] = ()
    query: tuple[QueryParameter, ...] = ()
    errors: tuple[type[AnswerError], ...] = ()
    """Errors of the node that the view raises."""
    other_errors: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """Code and meaning of an error that is not one of the node's, for each status."""
    unhealthy_content: Any = None
    """The type of the JSON that a 503 has if that status is no error but the answer itself."""
    tag: str = "node"
    """The group that /openapi.json shows the route in."""
    listed: bool = True
    """Whether the list of routes at `GET /` names it."""

    @property
    def address(self) -> str:
        """The path with the query parameters, for people."""
        query = "&".join(f"{parameter.name}=<{parameter.placeholder}>" for parameter in self.query)
        return f"{self.path}?{query}" if query else self.path


def register_routes(app: Flask, routes: Iterable[Route], context: Context) -> None:
    """Have `app` answer these routes from `context`."""
    for route in routes:
        app.add_url_rule(route.path, route.endpoint, partial(route.view, context), methods=["GET"])


def list_routes(routes: Iterable[Route]) -> str:
    """The routes line by line, for people who ask with curl."""
    listed = [route for route in routes if route.listed]
    width = max(len(route.address) for route in listed) + 2
    return "".join(f"{route.address:<{width}}{route.summary}\n" for route in listed)
