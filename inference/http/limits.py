"""The limits on what one client, and all of them together, may ask of the process that serves."""

from __future__ import annotations

import resource
from typing import Final

MAX_CONNECTIONS: Final = 1000
MIN_CONNECTIONS: Final = 16
RESERVED_DESCRIPTORS: Final = 100
"""Descriptors of the process that are not for clients but for the database, models, logs and whatever else."""
MAX_ACCEPTS_PER_ROUND: Final = 64
ACCEPT_PAUSE_SECONDS: Final = 0.1
"""Nobody is accepted for so long when there is no room and none can be made: every attempt would fail again."""

MAX_FIRST_BYTE_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 0.5
"""Whoever has sent nothing for so long makes room before those who have been answered and may come back."""
MAX_REQUEST_SECONDS: Final = 2.0
"""A request is a few hundred bytes, and its answer fits the socket's buffer."""
MAX_HEAD_BYTES: Final = 65536
"""A longer head is given to the parser, which refuses it."""
MAX_CLOSING_SECONDS: Final = 2.0
"""The time that a client may take to close once it has its answer."""

LARGE_FILES: Final = "/dashboard/plotly-"
MAX_LARGE_FILE_SECONDS: Final = 60.0
"""More than a megabyte that does not fit: a phone needs a while for it. It may keep two threads waiting, but never all of them."""
MAX_LARGE_FILES_AT_ONCE: Final = 2

CHECK_SECONDS: Final = 0.05
MAX_ROUND_SECONDS: Final = 1.0 + CHECK_SECONDS
"""The main thread never waits longer than this for something to do. If a round takes longer, the process stood still."""
MAX_WAIT_SECONDS: Final = 1.0
"""A request that has waited longer for a thread is told to come back."""
NEVER_TURNED_AWAY: Final = ("/inference/", "/health/", "/metrics")
"""Paths of requests that cost next to nothing, and are answered however long they have waited."""


def max_connections() -> int:
    """The number of clients that may be connected at once: as many as the limit on descriptors leaves, up to MAX_CONNECTIONS."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MAX_CONNECTIONS if descriptors == resource.RLIM_INFINITY else descriptors - RESERVED_DESCRIPTORS
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, allowed))
