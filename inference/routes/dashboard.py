"""GET / and the files of the page. Every file's address holds a digest of them all, so that a browser may keep them for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from flask import Response, abort, request, send_file
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from inference.routes.context import Context
from inference.routes.dashboard_library import LIBRARY_PATH, Library
from inference.routes.route import HTML, TEXT, PathParameter, Route

FOLDER: Final = Path(__file__).parents[1] / "dashboard"
TEMPLATE: Final = "page.html"
MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_EVER: Final = "public, max-age=31536000, immutable"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere, no eval. Charts are drawn with images that they carry along themselves."""


@dataclass(frozen=True, slots=True)
class Page:
    """The page and its files, as they are sent."""

    html: str
    digest: str
    files: Mapping[str, bytes]
    library: Library


@cache
def load_page() -> Page:
    """Read the page and its files once, when the process starts."""
    files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in MEDIA_TYPES}
    digest = _digest([(FOLDER / TEMPLATE).read_bytes(), *files.values()])
    templates = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    html = templates.get_template(TEMPLATE).render(files=f"dashboard/{digest}", library=LIBRARY_PATH.removeprefix("/"))
    return Page(html, digest, files, Library())


def _digest(contents: list[bytes]) -> str:
    together = hashlib.sha256()
    for content in contents:
        together.update(hashlib.sha256(content).digest())
    return together.hexdigest()[:12]


def show_page(context: Context) -> Response:
    """The page for whoever asks for HTML; the list of routes as text for everybody else, such as curl."""
    if request.accept_mimetypes.best_match([TEXT, HTML]) != HTML:
        response = Response(context.index, content_type=f"{TEXT}; charset=utf-8")
    else:
        response = Response(load_page().html, content_type=f"{HTML}; charset=utf-8")
        response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "no-cache"
    response.vary.add("Accept")
    return response


def send_page_file(_: Context, digest: str, name: str) -> Response:
    """A script, a style sheet or an image of this very page; 404 for those of another version of it."""
    page = load_page()
    if digest != page.digest or name not in page.files:
        abort(404)
    media_type = MEDIA_TYPES[Path(name).suffix]
    return Response(page.files[name], content_type=f"{media_type}; charset=utf-8", headers={"Cache-Control": FOR_EVER})


def send_library(_: Context) -> Response:
    """plotly.js, compressed for whoever takes that."""
    library = load_page().library
    if request.accept_encodings["gzip"] > 0:
        response = Response(library.compressed(), content_type=f"{MEDIA_TYPES['.js']}; charset=utf-8")
        response.headers["Content-Encoding"] = "gzip"
    else:
        response = send_file(library.path, mimetype=MEDIA_TYPES[".js"], conditional=False, etag=False)
    response.headers["Cache-Control"] = FOR_EVER
    response.vary.add("Accept-Encoding")
    return response


PAGE: Final = Route(
    "/",
    "home",
    "the dashboard, or this list for whoever does not ask for HTML",
    show_page,
    {TEXT: str, HTML: str},
    tag="page",
)
FILE: Final = Route(
    "/dashboard/<digest>/<name>",
    "dashboard_file",
    "a file of the dashboard",
    send_page_file,
    dict.fromkeys(MEDIA_TYPES.values(), str),
    path_parameters=(
        PathParameter("digest", "Of all files of the page together, so that a browser may keep them for ever.", "0a1b2c3d4e5f"),
        PathParameter("name", "One of the page's files.", "main.js"),
    ),
    other_errors={404: ("not_found", "There is no such file.")},
    tag="page",
    listed=False,
)
LIBRARY: Final = Route(
    LIBRARY_PATH,
    "dashboard_library",
    "the library that draws charts",
    send_library,
    {MEDIA_TYPES[".js"]: str},
    other_errors={503: ("busy", "Others are being sent this file.")},
    tag="page",
    listed=False,
)
