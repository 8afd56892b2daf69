"""Room on the disks: what is left belongs to candles and answers, so trainings wait until there is more."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

TRAINING_NEEDS_BYTES = 256 * 1024**2
"""A day of candles and answers of many topics, and every version that trainings under way may still publish."""


def lack_of_room(folders: Mapping[str, Path]) -> str | None:
    """What is too full for another training, in words; None if nothing is. Folders that are not there are left out."""
    for name, folder in folders.items():
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            continue
        if free < TRAINING_NEEDS_BYTES:
            needed = TRAINING_NEEDS_BYTES // 1024**2
            return f"{free // 1024**2} MB are free on the disk under the {name} folder; trainings wait for {needed} MB"
    return None
