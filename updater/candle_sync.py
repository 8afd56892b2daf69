"""Keeps candles fresh: the newest just after each close, the rest of the history behind it, gaps mended on the way.

Two loops share the sources of candles. `follow` wakes just after every minute and asks only for what is new; `backfill` walks the
long way back. Neither waits for a training.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from market.candle_store import CandleStore
from market.refresh import Refreshed
from market.sources import Sources
from node.clock import Clock, Pause
from node.config import Config
from node.durations import HOUR_MS, MINUTE_MS, QUOTE_INTERVAL, SECOND_MS, Interval
from node.errors import (
    ExchangeRefusedError,
    ExchangeUnreachableError,
    MarketError,
    RateLimitedError,
    UnknownSymbolError,
)
from node.topics import Topic, symbol_of
from updater.metrics import UpdaterMetrics
from updater.progress import ProgressBoard, State

log = structlog.get_logger(__name__)

AFTER_CLOSE_MS = 1 * SECOND_MS
"""The exchange needs a moment to finish a candle."""

TAIL_BARS = 180
QUOTE_HISTORY_MS = 3 * HOUR_MS
"""Reaches the base of every interval that may be asked about."""
BACKFILL_EVERY_MS = HOUR_MS
RETRY_SECONDS = (2.0, 5.0, 10.0, 20.0)
REMIND_MS = 10 * MINUTE_MS
WHOLE_EXCHANGE = (ExchangeUnreachableError, ExchangeRefusedError, RateLimitedError)


@dataclass(frozen=True, order=True, slots=True)
class Series:
    """Candles of one pair at one interval."""

    symbol: str
    interval: Interval


def series_of(topic: Topic) -> tuple[Series, ...]:
    """What a topic's models read: its own candles, and those of another token beside them."""
    symbols = [topic.task.symbol, *([symbol_of(topic.leader)] if topic.leader else [])]
    return tuple(Series(symbol, topic.task.interval) for symbol in symbols)


def needed_history(config: Config, topics: tuple[Topic, ...], served: Iterable[Series] = ()) -> dict[Series, int]:
    """How far back, in milliseconds, each series must reach: what models learn from, what the champions that are `served` read
    beside it, and minutes for the prices of intervals that have begun."""
    history: dict[Series, int] = {}
    for topic in topics:
        wanted = dict.fromkeys(series_of(topic), config.updater.history_ms(topic.task.interval))
        wanted.setdefault(Series(topic.task.symbol, QUOTE_INTERVAL), QUOTE_HISTORY_MS)
        for series, reach in wanted.items():
            history[series] = max(reach, history.get(series, 0))
    for series in served:
        history.setdefault(series, config.updater.history_ms(series.interval))
    return history


class CandleKeeper:
    """Owns the writing side of the candle store."""

    def __init__(self, store: CandleStore, sources: Sources, clock: Clock, current: ProgressBoard, metrics: UpdaterMetrics) -> None:
        self._store = store
        self._sources = sources
        self._clock = clock
        self._current = current
        self._metrics = metrics
        self._topics: tuple[Topic, ...] = ()
        self._history: dict[Series, int] = {}
        self._filled: set[Series] = set()
        self._aged: set[Series] = set()
        """Those of which no source has the newest candles."""
        self._backfill_now = threading.Event()
        self._alerts = _Alerts(clock)

    def configure(self, config: Config, topics: tuple[Topic, ...], served: Iterable[Series] = ()) -> None:
        """Follow these topics, and what their present champions read, from now on."""
        self._sources.use(config.updater.sources)
        self._topics = topics
        self._history = needed_history(config, topics, served)
        self._filled &= self._history.keys()
        self._backfill_now.set()

    @property
    def followed(self) -> tuple[Series, ...]:
        """The series that are kept up to date."""
        return tuple(self._history)

    def is_filled(self, topic: Topic) -> bool:
        """True once the history a topic learns from has been walked to its end."""
        return all(series in self._filled for series in series_of(topic))

    def follow(self, stop: threading.Event) -> None:
        """Fetch the newest candles just after each minute until stopped."""
        failures = 0
        while not stop.is_set():
            wait = self._refresh_newest(stop)
            failures = 0 if wait is None else failures + 1
            pause = self._until_next_close()
            if wait is not None:
                pause = max(wait, min(pause, RETRY_SECONDS[min(failures, len(RETRY_SECONDS)) - 1]))
            if self._clock.wait(pause, stop):
                return

    def backfill(self, stop: threading.Event) -> None:
        """Walk every series back to the reach it needs, now, when the configuration changes, and once an hour."""
        while not stop.is_set():
            self._backfill_now.clear()
            complete = True
            # Short histories first: their topics can be trained while the long ones are still filling.
            for series, reach in sorted(self._history.items(), key=lambda item: (item[1] // item[0].interval.ms, item[0])):
                complete &= self._fill(series, reach, stop)
            pause_ms = BACKFILL_EVERY_MS if complete else RETRY_SECONDS[-1] * SECOND_MS
            pause = Pause(self._clock)
            pause.begin(pause_ms)
            # Looked at each second, for a machine that slept meanwhile.
            while pause.lasts and not self._backfill_now.is_set():
                if self._clock.wait(1.0, stop):
                    return

    def _until_next_close(self) -> float:
        now = self._clock.now_ms()
        return (MINUTE_MS - (now - AFTER_CLOSE_MS) % MINUTE_MS) / SECOND_MS

    def _refresh_newest(self, stop: threading.Event) -> float | None:
        """One round over all series; None if all went well, else seconds to leave the exchange alone."""
        wait: float | None = None
        for series in list(self._history):
            if stop.is_set():
                break
            last = series.interval.last_closed(self._clock.now_ms())
            if self._store.newest(series.symbol, series.interval, last) == last:
                continue
            try:
                tail_ms = TAIL_BARS * series.interval.ms
                done = self._sources.refresh(self._store, series.symbol, series.interval, tail_ms, stop=stop)
                self._note(series, done)
                self._look_at_age(series, done)
            except UnknownSymbolError as error:
                self._no_data(series, error)
            except RateLimitedError as error:
                self._raise_alert(series, error)
                return max(error.retry_after, 1.0)
            except MarketError as error:
                self._raise_alert(series, error)
                wait = wait or 0.0
        if wait is None:
            self._alerts.all_well()
        return wait

    def _fill(self, series: Series, reach: int, stop: threading.Event) -> bool:
        """Bring one series to its whole reach; False if it must be tried again soon."""
        topics = [t for t in self._topics if (t.task.symbol, t.task.interval) == (series.symbol, series.interval)]

        def show(have: int, want: int) -> None:
            for topic in topics:
                self._current.update(topic.task, have=have, want=want)

        try:
            done = self._sources.refresh(self._store, series.symbol, series.interval, reach, show, stop, with_archive=True)
        except UnknownSymbolError as error:
            self._no_data(series, error)
            return True
        except MarketError as error:
            self._raise_alert(series, error)
            if isinstance(error, RateLimitedError):
                self._clock.wait(error.retry_after, stop)
            return False
        if stop.is_set():
            return False
        self._note(series, done)
        if done.missed:
            # What stands in has the newest candles alone; the history is still to come.
            for topic in topics:
                self._current.update(topic.task, detail=f"the newest candles alone until {done.missed[0]} can be had again")
            return False
        if done.have == 0:
            self._no_data(series, MarketError(f"the exchange has no {series.interval} candles of {series.symbol}"))
            return True
        self._conclude(series, topics, done)
        self._look_at_age(series, done)
        return True

    def _conclude(self, series: Series, topics: list[Topic], done: Refreshed) -> None:
        """The history has been walked to its end."""
        if series not in self._filled:
            log.info("history filled", symbol=series.symbol, interval=series.interval.value, candles=done.have, gaps=done.gaps)
        for topic in topics:
            self._current.update(topic.task, have=done.have, want=done.want, detail="")
            known = self._current.of(topic.task)
            if known.state in (State.FILLING, State.NO_DATA):
                self._current.update(topic.task, state=State.READY if known.trained else State.QUEUED)
        self._filled.add(series)

    def _note(self, series: Series, done: Refreshed) -> None:
        labels = (series.symbol, series.interval.value)
        self._metrics.candles_stored.labels(*labels).inc(done.stored)
        self._metrics.gaps.labels(*labels).set(done.gaps)

    def _look_at_age(self, series: Series, done: Refreshed) -> None:
        """Complain, and let topics say so, if no source has the newest candles: an answer without them is no success."""
        alert = done.alert
        if alert is not None:
            self._raise_alert(series, alert)
            self._aged.add(series)
            self._tell_topics(series, alert.message)
        elif series in self._aged:
            self._aged.discard(series)
            self._alerts.forget(series)
            self._tell_topics(series, "")

    def _tell_topics(self, series: Series, detail: str) -> None:
        for topic in self._topics:
            if (topic.task.symbol, topic.task.interval) == (series.symbol, series.interval):
                self._current.update(topic.task, detail=detail)

    def _no_data(self, series: Series, error: MarketError) -> None:
        self._raise_alert(series, error)
        for topic in self._topics:
            if topic.task.symbol == series.symbol and topic.task.interval is series.interval:
                self._current.update(topic.task, state=State.NO_DATA, detail=error.message)

    def _raise_alert(self, series: Series, error: MarketError) -> None:
        self._metrics.market_errors.labels(error.code).inc()
        self._alerts.say(series, error)


class _Alerts:
    """The same trouble is said when it begins, then every ten minutes, and once when it is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[tuple[Series | None, str], Pause] = {}

    def say(self, series: Series, error: MarketError) -> None:
        """Log it unless it was logged a moment ago. Trouble with the whole exchange is one trouble, whatever the symbol."""
        place = None if isinstance(error, WHOLE_EXCHANGE) else series
        said = self._said.setdefault((place, error.code), Pause(self._clock))
        if said.lasts:
            return
        said.begin(REMIND_MS)
        if place is None:
            log.warning("the exchange cannot be had", error=error)
        else:
            log.warning("candles could not be had", symbol=series.symbol, interval=series.interval.value, error=error)

    def forget(self, series: Series) -> None:
        """Trouble with it is over, and would be said at once if it came again."""
        for key in [key for key in self._said if key[0] == series]:
            del self._said[key]

    def all_well(self) -> None:
        """Every series that the exchange has was fetched."""
        over = [key for key in self._said if key[0] is None]
        for key in over:
            del self._said[key]
        if over:
            log.info("the exchange answers again")
