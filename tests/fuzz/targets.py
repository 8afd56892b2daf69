"""Every parser of what comes from outside, by the name under which `python -m tests.fuzz` knows it."""

from __future__ import annotations

from tests.fuzz import archive, exchanges, settings, stored
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    "binance": exchanges.BINANCE,
    "kraken": exchanges.KRAKEN,
    "coingecko": exchanges.COINGECKO,
    "zip": archive.ZIP,
    "rows": archive.ROWS,
    "checksum": archive.CHECKSUM,
    "manifest": stored.MANIFESTS,
    "pointer": stored.POINTERS,
    "config": settings.CONFIG,
}
