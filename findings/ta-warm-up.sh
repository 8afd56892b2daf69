#!/usr/bin/env bash
# What: with fillna=False, which promises NaN where an indicator has no value yet, ta fills the first rows all the same: ATR and
#   ADX with 0.0, and KST with numbers made from the mean of the whole series, so that its first rows know the future.
# Why it surprises: most of the package does return NaN there (RSI, moving averages), and dropna() is how everyone cuts the
#   warm-up. These rows stay: an ATR of zero by which somebody divides, and a feature that is different each time a candle is
#   added at the end.
# Versions: ta 0.11.0, numpy 2.4.6, pandas 3.1.1.
# What to do: cut the longest window from the start yourself, and compare each feature on a prefix of the series with the same
#   rows of the whole: what differs has seen the future.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check ta==0.11.0 numpy==2.4.6 pandas==3.1.1 || exit 2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import pandas as pd
from ta.momentum import rsi
from ta.trend import adx, kst
from ta.volatility import average_true_range

close = pd.Series(100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 600))))
high, low = close * 1.002, close * 0.998

print("ta", version("ta"))
print("expected: NaN in the first rows of each, and the same past whatever comes after it")
first = {
    "RSI": rsi(close, fillna=False)[:8],
    "ATR": average_true_range(high, low, close, fillna=False)[:8],
    "ADX": adx(high, low, close, fillna=False)[:8],
}
for name, values in first.items():
    print(f"seen: the first eight of {name}: {values.tolist()}")
early, late = kst(close[:400], fillna=False), kst(close, fillna=False)[:400]
moved = early.notna() & late.notna() & ~np.isclose(early, late)
print(f"seen: KST: {moved.sum()} of 400 rows change when 200 later candles are known, from row {moved.idxmax()}", end="; ")
print(f"that row was {early[moved].iloc[0]:.3f} and became {late[moved].iloc[0]:.3f}")
zeros = bool((first["ATR"] == 0).all() and (first["ADX"] == 0).all() and first["RSI"].isna().all())
sys.exit(0 if zeros and moved.sum() > 10 else "no longer so")
PYTHON
