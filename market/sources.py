"""The sources of candles in the order of `updater.sources`: the first that can is asked, the others stand in for it.

A bar comes whole from one source, and its name is kept beside it. When a better source can be had again, it replaces what others
brought in its stead; never the other way round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import structlog

from market.archive.client import BinanceArchive
from market.candle_store import CandleStore
from market.exchanges.binance import BinanceSpot, BinanceUs
from market.exchanges.coingecko import CoinGecko
from market.exchanges.exchange import Exchange
from market.exchanges.kraken import Kraken
from market.refresh import OVERDUE_MS, Refreshed, refresh
from node.clock import Clock, Pause
from node.durations import HOUR_MS, MINUTE_MS, SECOND_MS, Interval
from node.environment import Settings
from node.errors import MarketError, RateLimitedError, UnknownSymbolError

log = structlog.get_logger(__name__)

_Asked = tuple[str, str, Interval]
"""A source's name, a pair and an interval."""

_Key = TypeVar("_Key", bound=Hashable)

REST_MS: Final = MINUTE_MS
"""How long a source that failed is asked last, and one whose candles of a pair are late for that pair."""

LACKING_MS: Final = HOUR_MS
"""How long a source without a pair is not asked for it."""

DEAD_MS: Final = HOUR_MS
"""A source that has had no new candle of a pair for so long, while another has, does not trade it any more."""

Progress = Callable[[int, int], None]


class Sources:
    """Every source there is; `use` chooses among them. Threads may share one.

    `instead` names the source that is meant where another name is given.
    """

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        clock: Clock,
        archive: BinanceArchive | None = None,
        instead: Mapping[str, str] | None = None,
    ) -> None:
        self._all = {exchange.name: exchange for exchange in exchanges}
        self._clock = clock
        self._archive = archive
        self._instead = instead or {}
        self._resting: dict[str, Pause] = {}
        self._late: dict[_Asked, Pause] = {}
        self._lacking: dict[_Asked, Pause] = {}
        self._last: dict[tuple[str, Interval], str] = {}
        self.exchanges = tuple(exchanges)
        """Those in use, the best first."""

    @property
    def every(self) -> tuple[Exchange, ...]:
        """Those in use and the others."""
        return tuple(self._all.values())

    def use(self, names: Sequence[str]) -> None:
        """Ask these from now on, in this order."""
        meant = dict.fromkeys(self._instead.get(name, name) for name in names)
        self.exchanges = tuple(self._all[name] for name in meant)

    def refresh(
        self,
        store: CandleStore,
        symbol: str,
        interval: Interval,
        history_ms: int,
        on_progress: Progress | None = None,
        stop: threading.Event | None = None,
        *,
        with_archive: bool = False,
    ) -> Refreshed:
        """Bring the store up to date from the best source that can be had; see `market.refresh.refresh`.

        `with_archive` lets months of the past come as files; leave it out where only the newest candles are wanted. The error is
        the best source's if none can be had. `Refreshed.missed` names the sources that would have been better. A source without
        the newest candles is as good as none if the next has them; if none has, `Refreshed.overdue_ms` says for how long.
        """
        errors: list[MarketError] = []
        found: list[tuple[Exchange, Refreshed]] = []
        # Another choice may be made meanwhile.
        exchanges = self.exchanges
        for exchange in self._in_order(exchanges, symbol, interval):
            better = exchanges[: exchanges.index(exchange)]
            stands_in = any(not self._lacks(other, symbol, interval) for other in better)
            archive = self._archive if with_archive and exchange.name == BinanceSpot.name else None
            try:
                done = refresh(
                    store,
                    exchange,
                    symbol,
                    interval,
                    history_ms,
                    self._clock,
                    on_progress,
                    stop,
                    archive=archive,
                    better=tuple(other.name for other in better),
                    stands_in=stands_in,
                )
            except UnknownSymbolError as error:
                self._pause(self._lacking, (exchange.name, symbol, interval), LACKING_MS)
                errors.append(error)
            except MarketError as error:
                pause_ms = error.retry_after * SECOND_MS if isinstance(error, RateLimitedError) else REST_MS
                self._pause(self._resting, exchange.name, pause_ms)
                errors.append(error)
            else:
                self._resting.pop(exchange.name, None)
                found.append((exchange, done))
                if done.overdue_ms < OVERDUE_MS:
                    break
        if not found:
            raise next((error for error in errors if not isinstance(error, UnknownSymbolError)), errors[0])
        return self._best(found, exchanges, symbol, interval)

    def close(self) -> None:
        """Give every connection back."""
        for closable in (*self._all.values(), self._archive):
            if closable is not None:
                closable.close()

    def _best(
        self, found: list[tuple[Exchange, Refreshed]], exchanges: Sequence[Exchange], symbol: str, interval: Interval
    ) -> Refreshed:
        """What the source brought that has the newest candles; those that have not are left alone for a while, for this pair."""
        best, done = min(found, key=lambda each: each[1].overdue_ms // OVERDUE_MS)
        for exchange, other in found:
            behind_ms = other.overdue_ms - done.overdue_ms
            if behind_ms >= DEAD_MS:
                self._pause(self._lacking, (exchange.name, symbol, interval), LACKING_MS)
            elif behind_ms >= OVERDUE_MS:
                self._pause(self._late, (exchange.name, symbol, interval), REST_MS)
        self._note(best.name, exchanges[0].name, symbol, interval)
        better = exchanges[: exchanges.index(best)]
        return replace(done, missed=tuple(other.name for other in better if not self._lacks(other, symbol, interval)))

    def _in_order(self, exchanges: Sequence[Exchange], symbol: str, interval: Interval) -> list[Exchange]:
        """Those that have the pair in the same order, but those that failed or were late a moment ago last."""
        having = [exchange for exchange in exchanges if not self._lacks(exchange, symbol, interval)]

        def rests(exchange: Exchange) -> bool:
            asked = exchange.name, symbol, interval
            return self._is_paused(self._resting, exchange.name) or self._is_paused(self._late, asked)

        return sorted(having or exchanges, key=rests)

    def _lacks(self, exchange: Exchange, symbol: str, interval: Interval) -> bool:
        return self._is_paused(self._lacking, (exchange.name, symbol, interval))

    def _pause(self, pauses: dict[_Key, Pause], key: _Key, milliseconds: float) -> None:
        pauses.setdefault(key, Pause(self._clock)).begin(milliseconds)

    def _is_paused(self, pauses: Mapping[_Key, Pause], key: _Key) -> bool:
        pause = pauses.get(key)
        return pause is not None and pause.lasts

    def _note(self, source: str, first: str, symbol: str, interval: Interval) -> None:
        """Say when another source than before, or at the start than the first, brings the candles."""
        if self._last.get((symbol, interval), first) != source:
            log.warning("candles come from another source", symbol=symbol, interval=interval.value, source=source)
        self._last[symbol, interval] = source


def open_sources(settings: Settings, clock: Clock, names: Sequence[str]) -> Sources:
    """Every source at the addresses of the environment, those of `names` in use."""
    archive = BinanceArchive(settings.archive_base) if settings.archive_base else None
    exchanges: list[Exchange] = [
        BinanceUs(settings.binance_us_bases, clock),
        Kraken(settings.kraken_url, clock),
        CoinGecko(settings.coingecko_url, clock, api_key=settings.coingecko_key),
    ]
    instead: dict[str, str] = {}
    if settings.exchange_bases:
        exchanges.insert(0, BinanceSpot(settings.exchange_bases, clock))
    else:
        # Every base that EXCHANGE_URLS names is Binance.US's: that is what candles come from, and what they are called.
        instead[BinanceSpot.name] = BinanceUs.name
    if settings.lists_binance_us:
        log.warning("Binance.US is another market than Binance and is asked as binance_us alone", variable="EXCHANGE_URLS")
    sources = Sources(exchanges, clock, archive, instead)
    sources.use(names)
    return sources
