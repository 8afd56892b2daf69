"""Kraken spot: the newest candles of a token against the dollar, over REST.

https://docs.kraken.com/api-reference/market-data/get-ohlc-data: at most the newest 720 candles, whatever one asks for, the last of
them still forming; `[seconds, open, high, low, close, vwap, volume, trades]`, numbers as strings. Errors come with status 200.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
import structlog

from market.bounded_http import earlier
from market.candles import COLUMNS, check_interval, plausible_rows, sound_rows
from market.exchanges.exchange import Exchange, ExchangeStatus, token_of, with_doubtful, within
from market.exchanges.public_api import PublicApi
from node.clock import Clock
from node.durations import MINUTE_MS, SECOND_MS, Interval
from node.errors import BadMarketDataError, ExchangeRefusedError, ExchangeUnreachableError, UnknownSymbolError

log = structlog.get_logger(__name__)

REACH: Final = 715
"""Of the 720, one is forming and a few may close between two requests."""

OTHER_NAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
"""Tokens that Kraken calls otherwise."""

QUOTE: Final = "USD"
"""Kraken trades most tokens against the dollar alone, and the others mostly so."""

THROTTLED_SECONDS: Final = 15
LOCKED_OUT_SECONDS: Final = 15 * 60
"""How long to be silent after a limit on requests, and after a lockout, which any further request would prolong."""

_UNKNOWN: Final = ("unknown asset", "invalid asset")
_LIMITED: Final = ("rate limit", "too many requests", "throttled")
_LOCKED_OUT: Final = ("lockout", "locked out")
_DOWN: Final = ("eservice", "internal error", "unavailable", "busy", "timeout", "deadline")
"""Words of its errors. Each error begins with E, a category, a colon; what begins with W is a warning beside a good result."""


class Kraken(Exchange):
    """Client for Kraken's public candles. It has trades and volume, but not who bought: those columns are NaN."""

    name = "kraken"

    def __init__(self, base: str, clock: Clock, *, connect_timeout: float = 5, read_timeout: float = 10) -> None:
        self._clock = clock
        self._api = PublicApi(base, clock, connect_timeout=connect_timeout, read_timeout=read_timeout)

    def candles(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        """Closed candles with start_ms <= open_time <= end_ms; see `Exchange.candles` and the errors of `node.errors`."""
        token = token_of(symbol)
        query = {
            "pair": OTHER_NAMES.get(token, token) + QUOTE,
            "interval": interval.ms // MINUTE_MS,
            # What is asked for comes after `since`, not at it.
            "since": max(0, start_ms // SECOND_MS - 1),
        }
        answer = self._api.get("/0/public/OHLC", query)
        rows = self._rows(self._result(self._api.json(answer), symbol), answer.start)
        closed = interval.last_closed(earlier(self._clock.now_ms(), answer))
        candles, bad = _candles(rows, interval)
        return within(candles, start_ms, min(end_ms, closed), bad)

    def reach(self, interval: Interval) -> int | None:
        """The newest 720, less a few."""
        return REACH

    def time_ms(self) -> int:
        """The exchange's own time, UTC milliseconds."""
        answer = self._api.get("/0/public/Time", {})
        try:
            return int(self._result(self._api.json(answer), "")["unixtime"]) * SECOND_MS
        except (ValueError, TypeError, KeyError):
            raise BadMarketDataError(f"kraken's time cannot be read: {answer.start}") from None

    def status(self) -> ExchangeStatus:
        """How it treats us, from what it last answered."""
        return self._api.status()

    def close(self) -> None:
        """Give connections back."""
        self._api.close()

    def _result(self, content: Any, symbol: str) -> dict[str, Any]:
        """What stands under `result`; the fitting error for what stands under `error`."""
        if not isinstance(content, dict):
            raise BadMarketDataError("kraken's answer is not an object")
        said = content.get("error") or []
        texts = [str(each) for each in (said if isinstance(said, list) else [said])]
        warnings = [text for text in texts if text.startswith("W")]
        if warnings:
            log.warning("kraken warns", reason="; ".join(warnings)[:200])
        errors = "; ".join(text for text in texts if text not in warnings)[:200]
        self._raise_for(errors, symbol)
        result = content.get("result")
        if errors or not isinstance(result, dict):
            raise BadMarketDataError(f"kraken answered {errors or 'without a result'}")
        return result

    def _raise_for(self, errors: str, symbol: str) -> None:
        """The fitting error for Kraken's words, if they are known; none of them says anything of the candles."""
        words = errors.lower()
        if any(part in words for part in _UNKNOWN):
            raise UnknownSymbolError(f"kraken has no pair for {symbol}", hint="Check the topic's Token in config.json.")
        if any(part in words for part in _LOCKED_OUT):
            self._api.fall_silent(LOCKED_OUT_SECONDS)
        if any(part in words for part in _LIMITED):
            self._api.fall_silent(THROTTLED_SECONDS)
        if "permission denied" in words:
            raise ExchangeRefusedError(f"kraken answered {errors}")
        if any(part in words for part in _DOWN):
            raise ExchangeUnreachableError(f"kraken answered {errors}", hint="It is asked again with the next candle.")

    def _rows(self, result: dict[str, Any], start: str) -> list[Any]:
        """The one list in the result; its key is Kraken's own name of the pair."""
        lists = [value for key, value in result.items() if key != "last"]
        if len(lists) != 1 or not isinstance(lists[0], list):
            raise BadMarketDataError(f"kraken's answer holds no list of candles: {start}")
        return lists[0]


def _candles(rows: list[Any], interval: Interval) -> tuple[pd.DataFrame, int]:
    """The sound ones, sorted, and how many were left out."""
    read = [values for values in map(_read_row, rows) if values is not None]
    frame = pd.DataFrame(np.array(read, dtype=np.float64).reshape(len(read), len(COLUMNS)), columns=list(COLUMNS))
    frame = frame.drop_duplicates().sort_values("open_time", ignore_index=True)
    check_interval(frame["open_time"].to_numpy(), interval)
    sound = frame[sound_rows(frame, interval)].astype({"open_time": np.int64})
    plausible = plausible_rows(sound, interval)
    candles = sound[plausible]
    if rows and candles.empty:
        raise BadMarketDataError(f"not one of kraken's {len(rows)} rows is a candle")
    return with_doubtful(candles, sound[~plausible]), len(rows) - len(candles)


def _read_row(row: Any) -> list[float] | None:
    """The numbers of a row in the order of COLUMNS; None if it is no row."""
    if not isinstance(row, list) or len(row) != 8:
        return None
    try:
        open_, high, low, close, vwap, volume = map(float, row[1:7])
        # The mean price weighted by volume, times volume, is what was paid.
        return [
            float(int(row[0]) * SECOND_MS), open_, high, low, close, volume, vwap * volume, float(int(row[7])), np.nan, np.nan
        ]  # fmt: skip
    except (TypeError, ValueError, OverflowError):
        return None
