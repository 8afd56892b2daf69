"""The sources of candles in the order of `updater.sources`: the first that can is asked, the others stand in for it.

A bar comes whole from one source, and its name is kept beside it. When a better source can be had again, it replaces what others
brought in its stead; never the other way round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from market.archive import BinanceArchive
from market.binance import BinanceSpot
from market.candle_store import CandleStore
from market.coingecko import CoinGecko
from market.exchange import Exchange
from market.kraken import Kraken
from market.refresh import Refreshed, refresh
from node.clock import Clock
from node.durations import HOUR_MS, MINUTE_MS, SECOND_MS, Interval
from node.errors import MarketError, RateLimitedError, UnknownSymbolError
from node.settings import Settings

log = structlog.get_logger(__name__)

REST_MS: Final = MINUTE_MS
"""How long a source that failed is asked last."""

LACKING_MS: Final = HOUR_MS
"""How long a source without a pair is not asked for it."""

Progress = Callable[[int, int], None]


class Sources:
    """Every source there is; `use` chooses among them. Threads may share one."""

    def __init__(self, exchanges: Sequence[Exchange], clock: Clock, archive: BinanceArchive | None = None) -> None:
        self._all = {exchange.name: exchange for exchange in exchanges}
        self._clock = clock
        self._archive = archive
        self._resting: dict[str, int] = {}
        self._lacking: dict[tuple[str, str, Interval], int] = {}
        self._last: dict[tuple[str, Interval], str] = {}
        self.exchanges = tuple(exchanges)
        """Those in use, the best first."""

    @property
    def every(self) -> tuple[Exchange, ...]:
        """Those in use and the others."""
        return tuple(self._all.values())

    def use(self, names: Sequence[str]) -> None:
        """Ask these from now on, in this order."""
        self.exchanges = tuple(self._all[name] for name in names)

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
        the best source's if none can be had. `Refreshed.missed` names the sources that would have been better.
        """
        errors: list[MarketError] = []
        # Another choice may be made meanwhile.
        exchanges = self.exchanges
        having = [exchange for exchange in exchanges if not self._lacks(exchange, symbol, interval)]
        for exchange in self._by_rest(having or exchanges):
            before = exchanges[: exchanges.index(exchange)]
            better = tuple(other.name for other in before if not self._lacks(other, symbol, interval))
            archive = self._archive if with_archive and exchange.name == BinanceSpot.name else None
            try:
                done = refresh(
                    store, exchange, symbol, interval, history_ms, self._clock, on_progress, stop, archive=archive, better=better
                )
            except UnknownSymbolError as error:
                self._lacking[exchange.name, symbol, interval] = self._clock.now_ms() + LACKING_MS
                errors.append(error)
            except MarketError as error:
                pause_ms = error.retry_after * SECOND_MS if isinstance(error, RateLimitedError) else REST_MS
                self._resting[exchange.name] = self._clock.now_ms() + round(pause_ms)
                errors.append(error)
            else:
                self._resting.pop(exchange.name, None)
                self._note(exchange.name, exchanges[0].name, symbol, interval)
                return replace(done, missed=better)
        raise next((error for error in errors if not isinstance(error, UnknownSymbolError)), errors[0])

    def close(self) -> None:
        """Give every connection back."""
        for closable in (*self._all.values(), self._archive):
            if closable is not None:
                closable.close()

    def _by_rest(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """In the same order, but those that failed a moment ago last."""
        now_ms = self._clock.now_ms()
        return sorted(exchanges, key=lambda exchange: self._resting.get(exchange.name, 0) > now_ms)

    def _lacks(self, exchange: Exchange, symbol: str, interval: Interval) -> bool:
        return self._lacking.get((exchange.name, symbol, interval), 0) > self._clock.now_ms()

    def _note(self, source: str, first: str, symbol: str, interval: Interval) -> None:
        """Say when another source than before, or at the start than the first, brings the candles."""
        if self._last.get((symbol, interval), first) != source:
            log.warning("candles come from another source", symbol=symbol, interval=interval.value, source=source)
        self._last[symbol, interval] = source


def open_sources(settings: Settings, clock: Clock, names: Sequence[str]) -> Sources:
    """Every source at the addresses of the environment, those of `names` in use."""
    archive = BinanceArchive(settings.archive_base) if settings.archive_base else None
    exchanges: list[Exchange] = [
        BinanceSpot(settings.exchange_bases, clock),
        Kraken(settings.kraken_url, clock),
        CoinGecko(settings.coingecko_url, clock),
    ]
    sources = Sources(exchanges, clock, archive)
    sources.use(names)
    return sources
