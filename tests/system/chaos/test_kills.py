"""A few of the kills of `make chaos`, with the seed fixed: enough to notice what breaks often."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.system.chaos.driver import kill_at_random, running_node, wait_until


@pytest.mark.timeout(120)
def test_a_node_killed_at_random_moments_breaks_no_promise(tmp_path: Path) -> None:
    random = Random(20)
    with running_node(tmp_path) as node:
        assert wait_until(lambda: 200 in node.ask().values(), 90), "a first champion serves"
        for _ in range(3):
            kill_at_random(node, random, longest_seconds=1.5)
        assert node.witness.candles
        assert node.witness.versions
