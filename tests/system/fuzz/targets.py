"""Every parser of what comes from outside, by the name under which `python -m tests.system.fuzz` knows it."""

from __future__ import annotations

from importlib import import_module

from tests.system.fuzz import archive, exchanges, settings, stored
from tests.system.fuzz.target import Target

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


def target_of(name: str) -> Target:
    """One of TARGETS, or what stands as MODULE:NAME elsewhere."""
    module, _, attribute = name.partition(":")
    found: Target = getattr(import_module(module), attribute) if attribute else TARGETS[name]
    return found
