#!/usr/bin/env bash
# What: the RSI of a price that does not move is 0 with TA-Lib, 100 with ta and NaN with pandas-ta-classic.
# Why it surprises: same name, same formula, same window, no missing value, and the answers are the two ends of the scale. It is
#   0 divided by 0, and each took another way out. Stablecoin pairs, thin markets and candles filled over a gap do stand still:
#   "below 30, buy" and "above 70, sell" are then both true, each with its library.
# Versions: TA-Lib 0.8.2, ta 0.11.0, pandas-ta-classic 0.8.32, numpy 2.4.6, pandas 3.1.1.
# What to do: decide what a standstill means (50, or no answer) and set it before RSI becomes a feature; never mix libraries
#   between training and serving.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    TA-Lib==0.8.2 ta==0.11.0 pandas-ta-classic==0.8.32 numpy==2.4.6 pandas==3.1.1 || exit 2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import pandas as pd
import pandas_ta_classic
import ta.momentum
import talib

still = pd.Series(np.full(60, 1.0001))
moving = pd.Series(100 + np.cumsum(np.random.default_rng(0).normal(size=400)))


def rsi(close: pd.Series) -> dict[str, float]:
    """The last RSI of 14 candles, by library."""
    return {
        "TA-Lib": float(talib.RSI(close.to_numpy(), 14)[-1]),
        "ta": float(ta.momentum.rsi(close, 14).iloc[-1]),
        "pandas-ta-classic": float(pandas_ta_classic.rsi(close, 14, talib=False).iloc[-1]),
    }


print(*(f"{name} {version(name)}" for name in ("TA-Lib", "ta", "pandas-ta-classic")), sep=", ")
print("expected: the same from all three, as for a price that moves:", {name: round(each, 4) for name, each in rsi(moving).items()})
seen = rsi(still)
print("seen: for a price that stands still:", seen)
alike = np.ptp(list(rsi(moving).values())) < 1e-6
sys.exit(0 if alike and seen["TA-Lib"] == 0 and seen["ta"] == 100 and np.isnan(seen["pandas-ta-classic"]) else "no longer so")
PYTHON
