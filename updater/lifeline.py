"""A training process ends with the updater that started it, however that one ended.

An updater that is stopped ends its trainings itself. One that is killed cannot: what it leaves behind would train on for nobody and
hold its memory for minutes, beside the trainings of the updater that is started next.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final

LOOK_SECONDS: Final = 1.0


def end_with(parent: int) -> None:
    """From now on this process ends within about a second of the process `parent`, which started it."""

    def watch() -> None:
        # Whoever loses its parent is given another.
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
