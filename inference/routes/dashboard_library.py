"""plotly.js, as the Python package `plotly` carries it: its file is served, the package itself is never imported."""

from __future__ import annotations

import threading
import zlib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

CHUNK: Final = 1 << 18
GZIP: Final = 16 + zlib.MAX_WBITS
LIBRARY_PATH: Final = f"/dashboard/plotly-{version('plotly')}.min.js"
"""Its address, which is another one for each version."""


class Library:
    """The file and, from the first time it is asked for, its compressed bytes; nearly five megabytes become less than a third."""

    def __init__(self) -> None:
        spec = find_spec("plotly")
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("the dashboard needs plotly.min.js of the package plotly")
        self.path = Path(spec.origin).parent / "package_data" / "plotly.min.js"
        self._lock = threading.Lock()
        self._compressed: bytes | None = None

    def compressed(self) -> bytes:
        """The file as gzip."""
        with self._lock:
            if self._compressed is None:
                self._compressed = _compress(self.path)
            return self._compressed


def _compress(path: Path) -> bytes:
    """In pieces: the whole file beside its compressed form would stay with the process as memory it never needs again."""
    squeeze = zlib.compressobj(wbits=GZIP)
    with path.open("rb") as file:
        parts = [squeeze.compress(piece) for piece in iter(lambda: file.read(CHUNK), b"")]
    return b"".join([*parts, squeeze.flush()])
