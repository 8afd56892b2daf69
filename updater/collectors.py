"""Metrics that are looked up at the moment of the scrape, so that they stay true when a loop of the updater hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from market.candle_store import CandleStore
from market.exchanges.exchange import Exchange
from node.clock import Clock
from node.durations import SECOND_MS
from node.freshness import overdue_ms
from updater.candle_sync import Series


class CandleCollector(Collector):
    """How old the newest candle of every followed series is."""

    def __init__(self, followed: Callable[[], Iterable[Series]], store: CandleStore, clock: Clock) -> None:
        self._followed = followed
        self._store = store
        self._clock = clock
        self._begun_ms = clock.now_ms()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        labels = ["symbol", "interval"]
        newest = GaugeMetricFamily(
            "allora_updater_newest_candle_timestamp_seconds", "Open time of the newest closed candle.", labels=labels
        )
        overdue = GaugeMetricFamily(
            "allora_updater_candle_overdue_seconds",
            "Time since the next candle closed; since the updater's start where there is none yet.",
            labels=labels,
        )
        now_ms = self._clock.now_ms()
        for series in self._followed():
            names = [series.symbol, series.interval.value]
            open_time = self._store.newest(series.symbol, series.interval, now_ms)
            if open_time is not None:
                newest.add_metric(names, open_time / SECOND_MS)
            late = now_ms - self._begun_ms if open_time is None else overdue_ms(open_time, series.interval, now_ms)
            overdue.add_metric(names, max(0, late) / SECOND_MS)
        yield from (newest, overdue)


class ExchangeCollector(Collector):
    """How the exchanges treat this node."""

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self._exchanges = tuple(exchanges)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        weight = GaugeMetricFamily(
            "allora_updater_exchange_used_weight",
            "Request weight of the newest minute in which the exchange was asked, as it counts it.",
            labels=["exchange"],
        )
        silence = GaugeMetricFamily(
            "allora_updater_exchange_silence_seconds",
            "How long the exchange must not be asked, because of a rate limit or a ban; 0 if it may.",
            labels=["exchange"],
        )
        refusing = GaugeMetricFamily(
            "allora_updater_exchange_refusing", "Addresses of the exchange that refuse this node.", labels=["exchange"]
        )
        for exchange in self._exchanges:
            status = exchange.status()
            weight.add_metric([exchange.name], status.used_weight)
            silence.add_metric([exchange.name], status.silent_seconds)
            refusing.add_metric([exchange.name], status.refusing)
        yield from (weight, silence, refusing)
