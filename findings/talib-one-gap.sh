#!/usr/bin/env bash
# What: one missing close in two thousand, and TA-Lib's indicators part ways. RSI is 0.0 from there to the end of the series, a
#   finite number that says "sold out". CMO and HT_TRENDLINE are 0.0 as well, EMA is NaN to the end, MAX takes no notice, and
#   STDDEV is NaN for 318 rows if the gap is at row 10, but for 28 if it is at row 300: it recovers at rows 328, 968 and so on,
#   wherever the gap was.
# Why it surprises: one expects NaN for one window, as with pandas, or NaN to the end. A check for finite numbers, which catches
#   EMA, lets RSI through. When STDDEV comes back depends on where in the array the series begins, so that yesterday's value of
#   the same candle differs with how much history was loaded.
# Versions: TA-Lib 0.8.2 (with TA-Lib 0.8.1 inside), numpy 2.4.6, pandas 3.1.1.
# What to do: give TA-Lib no NaN. Fill gaps or cut the series at them before, and set the rows to NaN afterwards.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    TA-Lib==0.8.2 numpy==2.4.6 pandas==3.1.1 || exit 2
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import pandas as pd
import talib

close = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 2000)))


def with_a_gap(row: int) -> np.ndarray:
    """The closes with one of them missing."""
    return np.where(np.arange(len(close)) == row, np.nan, close)


gap = with_a_gap(700)
last = {name: float(getattr(talib, name)(gap, 14)[-1]) for name in ("RSI", "CMO", "EMA", "MAX")}
last["HT_TRENDLINE"] = float(talib.HT_TRENDLINE(gap)[-1])
right = {name: float(getattr(talib, name)(close, 14)[-1]) for name in ("RSI", "CMO", "EMA", "MAX")}
lost = {row: int(np.isnan(talib.STDDEV(with_a_gap(row), 10)[row:]).sum()) for row in (10, 50, 300, 700)}
in_pandas = {row: int(pd.Series(with_a_gap(row)).rolling(10).std(ddof=0)[row:].isna().sum()) for row in lost}

print("TA-Lib", talib.__version__, "with", talib.__ta_version__.decode().split()[0], "inside")
print("expected: 1300 rows after the gap, its trace is gone, or everything is NaN")
print("seen: 1300 rows later", {name: round(value, 3) for name, value in last.items()}, "where without a gap there is", end=" ")
print({name: round(value, 3) for name, value in right.items()})
print("seen: rows of STDDEV lost by the row of the gap", lost, "and with pandas", in_pandas)
zeros = last["RSI"] == last["CMO"] == last["HT_TRENDLINE"] == 0.0
known = lost == {10: 318, 50: 278, 300: 28, 700: 268} and set(in_pandas.values()) == {10}
sys.exit(0 if zeros and np.isnan(last["EMA"]) and last["MAX"] == right["MAX"] and known else "no longer so")
PYTHON
