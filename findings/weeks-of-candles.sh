#!/usr/bin/env bash
# What: one week of trades, three dates for its candle. Of trades from Tuesday 24 to Sunday 29 November 2026, ccxt's
#   build_ohlcvc makes two candles that begin on Thursdays (19 and 26 November); ccxt's own round_timeframe says that the week
#   began on Monday 23; freqtrade's trades_to_ohlcv makes one candle and dates it Monday 30, when its last trade is already
#   past.
# Why it surprises: daily candles agree everywhere, and Binance's weeks, for one, begin on Monday. build_ohlcvc divides by the
#   length in milliseconds, and the first of January 1970 was a Thursday ("1M" becomes thirty days the same way); freqtrade asks
#   pandas for "1W-MON", which closes and labels on the right. A weekly candle that is downloaded and dated Monday 30 holds the
#   week after the one that is built and dated so.
# Versions: ccxt 4.5.90, freqtrade 2026.9, pandas 3.1.1, numpy 2.4.6.
# What to do: make weeks and months from daily candles with a rule of your own that a test holds; download weekly candles rather
#   than building them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    ccxt==4.5.90 pandas==3.1.1 numpy==2.4.6 python-rapidjson==1.25 jsonschema==4.26.0 rich==15.0.0 humanize==4.17.0 \
    cachetools==8.0.2 pydantic==2.14.4 orjson==3.13.0 python-dateutil==4.0.0 schedule==1.2.2 || exit 2
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check --no-deps freqtrade==2026.9 || exit 2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import ccxt
from freqtrade.data.converter.trade_converter import trades_list_to_df, trades_to_ohlcv

start = datetime(2026, 11, 24, 6, tzinfo=UTC)
times = [start + timedelta(hours=6 * step) for step in range(22)]
stamps = [int(time.timestamp() * 1000) for time in times]


def day(milliseconds: int) -> str:
    """The weekday and the date of a moment, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%a %d %b")


trades = [{"timestamp": stamp, "price": 100.0 + step, "amount": 1.0, "cost": 100.0 + step} for step, stamp in enumerate(stamps)]
built = {frame: [day(candle[0]) for candle in ccxt.binance().build_ohlcvc(trades, frame)] for frame in ("1d", "1w", "1M")}
rounded = {frame: sorted({ccxt.Exchange.round_timeframe(frame, stamp) for stamp in stamps}) for frame in ("1d", "1w", "1M")}
rounded = {frame: [day(stamp) for stamp in found] for frame, found in rounded.items()}
rows = [[stamp, str(step), "market", "buy", 100.0 + step, 1.0, 100.0 + step] for step, stamp in enumerate(stamps)]
frames = {frame: trades_to_ohlcv(trades_list_to_df(rows), frame) for frame in ("1d", "1w", "1M")}
freqtrade = {frame: [date.strftime("%a %d %b") for date in candles["date"]] for frame, candles in frames.items()}

print("ccxt", version("ccxt"), "and freqtrade", version("freqtrade"), "with pandas", version("pandas"))
print(f"expected: one week for trades from {day(stamps[0])} to {day(stamps[-1])}, dated Mon 23 Nov; one month, Sun 01 Nov")
for frame in ("1w", "1M"):
    print(f"seen: {frame}: ccxt build_ohlcvc {built[frame]}, ccxt round_timeframe {rounded[frame]}, freqtrade {freqtrade[frame]}")
days = built["1d"] == rounded["1d"] == freqtrade["1d"]
print("seen: the daily candles agree:", days)
weeks = (built["1w"], rounded["1w"], freqtrade["1w"]) == (["Thu 19 Nov", "Thu 26 Nov"], ["Mon 23 Nov"], ["Mon 30 Nov"])
sys.exit(0 if days and weeks else "no longer so")
PYTHON
