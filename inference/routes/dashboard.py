"""The page and its files. Every file's address holds a digest of them all, so that a browser may keep them for ever."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, abort, request, send_file

from inference.routes.dashboard_library import LIBRARY_PATH, Library

FOLDER: Final = Path(__file__).parents[1] / "dashboard"
KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_EVER: Final = "public, max-age=31536000, immutable"
PLACE: Final = "{{files}}"
LIBRARY_PLACE: Final = "{{library}}"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere, no eval. Charts are drawn with images that they carry along themselves."""


def page(index: str) -> Blueprint:
    """GET / and what the page needs. Who does not ask for HTML, such as curl, gets `index`, the list of routes, as text."""
    routes = Blueprint("dashboard", __name__)
    library = Library()
    files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in KINDS}
    html = (FOLDER / "page.html").read_text(encoding="utf-8")
    state = _digest([html.encode(), *files.values()])
    html = html.replace(PLACE, f"dashboard/{state}").replace(LIBRARY_PLACE, LIBRARY_PATH.removeprefix("/"))

    @routes.get("/")
    def home() -> Response:
        if request.accept_mimetypes.best_match(["text/plain", "text/html"]) != "text/html":
            response = Response(index, content_type="text/plain; charset=utf-8")
        else:
            response = Response(html, content_type="text/html; charset=utf-8")
            response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-cache"
        response.vary.add("Accept")
        return response

    @routes.get("/dashboard/<digest>/<name>", endpoint="dashboard_file")
    def file(digest: str, name: str) -> Response:
        if digest != state or name not in files:
            abort(404)
        return Response(files[name], content_type=f"{KINDS[Path(name).suffix]}; charset=utf-8", headers={"Cache-Control": FOR_EVER})

    @routes.get(LIBRARY_PATH, endpoint="dashboard_library")
    def charts() -> Response:
        if request.accept_encodings["gzip"] > 0:
            response = Response(library.compressed(), content_type=f"{KINDS['.js']}; charset=utf-8")
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = send_file(library.path, mimetype=KINDS[".js"], conditional=False, etag=False)
        response.headers["Cache-Control"] = FOR_EVER
        response.vary.add("Accept-Encoding")
        return response

    return routes


def _digest(contents: list[bytes]) -> str:
    together = hashlib.sha256()
    for content in contents:
        together.update(hashlib.sha256(content).digest())
    return together.hexdigest()[:12]
