"""Checks of the sources of candles: reachable, how they treat us, this machine's clock beside theirs, and the pairs they know."""

from __future__ import annotations

import time
from typing import Final

from cli.checks.check_result import CheckResult, Probe, State, failed, ok
from cli.context import Place
from market.exchanges.exchange import Exchange
from market.sources import open_sources
from node.clock import SystemClock
from node.durations import Interval
from node.errors import ExchangeUnreachableError, MarketError, UnknownSymbolError

MAX_DRIFT_MS = 1_000
"""The updater asks for a candle a second after its close."""

OTHER_VARIABLES: Final = {"binance": "EXCHANGE_URLS"}
"""Where a source's addresses stand, unless in a variable of its own name."""


def probes(place: Place) -> dict[str, Probe]:
    """One look for each source in use, and one for the pairs of all topics."""
    clock = SystemClock()
    exchanges = open_sources(place.settings, clock, place.config.updater.sources).exchanges
    found: dict[str, Probe] = {f"exchange {each.name}": lambda each=each: _exchange(each, clock) for each in exchanges}  # type: ignore[misc]
    return found | {"pairs": lambda: _pairs(exchanges, clock, sorted({topic.task.symbol for topic in place.topics}))}


def _exchange(exchange: Exchange, clock: SystemClock) -> list[CheckResult]:
    name = f"exchange {exchange.name}"
    try:
        exchange.time_ms()  # opens the connection, so that what is measured next is the clock alone
    except ExchangeUnreachableError as error:
        variable = OTHER_VARIABLES.get(exchange.name, f"{exchange.name.upper()}_URL")
        return failed(name, error.message, f"Can this machine reach the internet? {variable} says where to ask.")
    asked, started = clock.now_ms(), time.perf_counter()
    theirs = exchange.time_ms()
    trip_ms = round((time.perf_counter() - started) * 1000)
    status = exchange.status()
    weight = f", request weight {status.used_weight} used in this minute" if status.used_weight else ""
    found = ok(name, f"answers in {trip_ms} ms{weight}")
    if status.refusing:
        hint = "Put another address first in EXCHANGE_URLS."
        found = failed(name, f"{status.refusing} of its addresses refuse us, another one answers", hint)
    drift_ms = asked + trip_ms // 2 - theirs
    return found + _drift(exchange, drift_ms, trip_ms)


def _drift(exchange: Exchange, drift_ms: int, trip_ms: int) -> list[CheckResult]:
    said = f"{abs(drift_ms)} ms {'ahead of' if drift_ms >= 0 else 'behind'} {exchange.name}"
    if abs(drift_ms) - trip_ms / 2 > MAX_DRIFT_MS:
        return failed("clock", f"this machine's clock is {said}", "Let it be set by the network: sudo timedatectl set-ntp true")
    return ok("clock", said)


def _pairs(exchanges: tuple[Exchange, ...], clock: SystemClock, symbols: list[str]) -> list[CheckResult]:
    unknown, problems = [], []
    end_ms = Interval.MINUTE.last_closed(clock.now_ms())
    for symbol in symbols:
        try:
            if not _has(exchanges, symbol, end_ms):
                unknown.append(symbol)
        except MarketError as error:
            problems.append(error)
    if unknown:
        hint = "Remove their topics from config.json, or name another source under updater.sources."
        return failed("pairs", f"no source has {', '.join(unknown)}", hint)
    if problems:
        return [CheckResult("pairs", State.SKIPPED, problems[0].message)]
    return ok("pairs", f"{', '.join(symbols)} are traded")


def _has(exchanges: tuple[Exchange, ...], symbol: str, end_ms: int) -> bool:
    """Whether one of them has candles of the pair; MarketError if one that may have them cannot be asked."""
    problem: MarketError | None = None
    for exchange in exchanges:
        try:
            if not exchange.candles(symbol, Interval.MINUTE, end_ms - 9 * Interval.MINUTE.ms, end_ms).empty:
                return True
        except UnknownSymbolError:
            continue
        except MarketError as error:
            problem = error
    if problem is not None:
        raise problem
    return False
