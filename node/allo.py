"""The network's currency."""

from __future__ import annotations

from typing import Final

UALLO_PER_ALLO: Final = 10**18
"""Amounts on the chain are whole numbers of uallo."""
