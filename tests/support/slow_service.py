"""Serves answers that take as long as they are asked to: `python -m tests.support.slow_service PORT`.

`GET /slow?<seconds>` keeps a thread for so long; everything else is answered at once, with the path.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from inference.http.server import Server


class SlowService:
    """An application without loops."""

    def start(self) -> Any:
        return self._answer

    def ended(self) -> str:
        return ""

    def stop(self) -> None:
        """There is nothing to stop."""

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            time.sleep(float(environ["QUERY_STRING"]))
        body = environ["PATH_INFO"].encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]


if __name__ == "__main__":
    Server("127.0.0.1", int(sys.argv[1]), SlowService).run()
