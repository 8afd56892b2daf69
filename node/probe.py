"""`python -m node.probe PORT [PATH]`: the container's health check. Exit code 0 if the process on that port can answer.

It asks only whether the process lives: a topic that waits for candles is no reason to restart anything.
"""

from __future__ import annotations

import sys

from node.health import LIVE_PATH
from node.proxies import without_proxy


def main(port: str = "", path: str = LIVE_PATH) -> int:
    """Exit code: 0 if the process on `port` answers, 1 if not."""
    try:
        with without_proxy().open(f"http://127.0.0.1:{int(port)}{path}", timeout=4) as response:
            return 0 if response.status == 200 else 1
    except (OSError, ValueError):
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
