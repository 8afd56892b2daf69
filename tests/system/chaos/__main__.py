"""`make chaos`: hundreds of kills, a new node after every few. KILLS and SEED, from the environment, say how many and which."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from tests.system.chaos.driver import kill_at_random, recover, running_node
from tests.system.chaos.invariants import BrokenInvariantError

KILLS_A_NODE: Final = 40
"""After as many kills a new one begins, so that the first candles and the first champions are under fire too."""
LONGEST_SECONDS: Final = 5.0


def main() -> int:
    # However it is ended, no process of the node stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kills, seed = int(os.environ.get("KILLS", "1000")), int(os.environ.get("SEED", "1"))
    random, done, seen, started = Random(seed), 0, Counter[str](), time.monotonic()
    while done < kills:
        with tempfile.TemporaryDirectory() as folder, running_node(Path(folder)) as node:
            try:
                for _ in range(min(KILLS_A_NODE, kills - done)):
                    what = kill_at_random(node, random, LONGEST_SECONDS)
                    done += 1
                    seen[what.partition(",")[0]] += 1
                    print(f"kill {done} of {kills}: {what}", flush=True)
                recover(node)
            except BrokenInvariantError as error:
                print(f"BROKEN after kill {done + 1} with SEED={seed}: {error}", file=sys.stderr)
                print("".join(node.log.read_text(errors="replace").splitlines(keepends=True)[-40:]), file=sys.stderr)
                return 1
            witness = node.witness
            seen["candles"] += sum(map(len, witness.candles.values()))
            seen["versions"] += len(witness.versions)
            seen["answers"] += len(witness.answers)
            counts = ", ".join(f"{count} {name}" for name, count in seen.most_common())
            print(f"this node has recovered. Killed and seen so far: {counts}", flush=True)
    print(f"{kills} kills in {(time.monotonic() - started) / 60:.0f} minutes, no invariant broken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
