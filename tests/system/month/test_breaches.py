"""The month notices: a node that breaks one promise, by a mistake made in it here, does not get through its first hours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import market.exchanges.exchange_time
from inference.answers.freshness import Freshness
from inference.answers.watcher import Watcher
from market.exchanges.binance import BinanceSpot
from node.durations import Interval
from tests.system.chaos.invariants import BrokenInvariantError
from tests.system.month.month import Month, Plan
from worker.nonce_time import NonceTime
from worker.topic import TopicWorker
from worker.windows import Window, Windows

FIRST_HOURS = Plan(days=0.3)
Patch = pytest.MonkeyPatch


def take_what_is_forming(patch: Patch) -> None:
    """The newest candle counts as closed a minute too early, by everybody's clock."""
    closed = Interval.last_closed
    patch.setattr(market.exchanges.exchange_time, "earlier", lambda now_ms, _: now_ms + 60_000)
    patch.setattr(Interval, "last_closed", lambda interval, now_ms: closed(interval, now_ms + 60_000))


def serve_what_is_old(patch: Patch) -> None:
    """Answers never grow old, and after the first pages there are no new candles."""
    fetch, pages = BinanceSpot.candles, iter(range(20))

    def fetch_little(self: BinanceSpot, *what: Any) -> pd.DataFrame:
        found = fetch(self, *what)
        return found if next(pages, None) is not None else found.head(0)

    patch.setattr(BinanceSpot, "candles", fetch_little)
    patch.setattr(Freshness, "expires_ms", 2_000_000_000_000)


def keep_silent(patch: Patch) -> None:
    """Inference looks a few times, and then no more."""
    look, looks = Watcher.poll, iter(range(8))
    patch.setattr(Watcher, "poll", lambda self: look(self) if next(looks, None) is not None else None)


def submit_again_and_again(patch: Patch) -> None:
    """A window that was answered is taken for a new one."""
    new = Windows._new

    def and_forget(self: Windows, nonce: int, end: int, *, announced: bool) -> list[Window]:
        self._seen.clear()
        return new(self, nonce, end, announced=announced)

    patch.setattr(Windows, "_new", and_forget)


def submit_something_else(patch: Patch) -> None:
    """What was answered is a little changed on its way."""
    fetch = TopicWorker._fetch

    async def and_change(self: TopicWorker, window: Window, asked: NonceTime | None) -> float:
        return await fetch(self, window, asked) * 1.0001

    patch.setattr(TopicWorker, "_fetch", and_change)


def submit_nothing(patch: Patch) -> None:
    """Windows are not noticed."""
    patch.setattr(Windows, "_new", lambda *_, **__: [])


BREACHES: dict[str, tuple[str, Callable[[Patch], None]]] = {
    "a candle not closed": ("not closed", take_what_is_forming),
    "an old answer": ("overdue", serve_what_is_old),
    "no answers": ("all should be well|all is well", keep_silent),
    "answers twice": ("submitted twice", submit_again_and_again),
    "another answer": ("not answered by inference", submit_something_else),
    "no submissions": ("have no answer for window", submit_nothing),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("breach", BREACHES)
def test_a_promise_that_is_broken_ends_the_month(tmp_path: Path, monkeypatch: Patch, breach: str) -> None:
    said, break_it = BREACHES[breach]
    break_it(monkeypatch)
    with pytest.raises(BrokenInvariantError, match=said):
        Month(tmp_path, FIRST_HOURS).run()
