"""A loop begins again after every fault, and one that has ended all the same is known to have."""

from __future__ import annotations

import threading

import pytest
from structlog.testing import capture_logs

from node.clock import ManualClock
from node.loops import Loop, ended


class Body:
    """Fails, returns or dies as it is told, one beginning after the other."""

    def __init__(self, *endings: BaseException | None) -> None:
        self._endings = list(endings)
        self.begun = 0
        self.stop = threading.Event()

    def __call__(self) -> None:
        self.begun += 1
        if not self._endings:
            self.stop.wait(30)
            return
        ending = self._endings.pop(0)
        if ending is not None:
            raise ending


def test_a_loop_that_fails_or_returns_begins_again() -> None:
    body = Body(OSError("disk"), None, MemoryError(), ValueError("a fault"))
    loop = Loop("follow", body, ManualClock(), body.stop)
    with capture_logs() as logs:
        loop.start()
        while body.begun < 5:
            pass
        assert loop.alive
        assert ended([loop]) == ""
        body.stop.set()
        loop.join(10)
    assert [entry["loop"] for entry in logs] == ["follow"] * 3
    assert loop.alive, "it was told to end"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_has_ended_though_it_should_run_is_named() -> None:
    bodies = [Body(GeneratorExit()), Body()]
    loops = [Loop(name, body, ManualClock(), body.stop) for name, body in zip(("follow", "train"), bodies, strict=True)]
    for loop in loops:
        assert loop.alive, "it has not begun"
        loop.start()
    loops[0].join(10)
    assert ended(loops) == "follow"
    bodies[1].stop.set()
