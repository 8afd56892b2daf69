#!/usr/bin/env bash
# What: statsforecast's conformal intervals take two windows of calibration unless told otherwise, and then every level from 80
#   to 99 % comes out as nearly the same interval, which holds about six outcomes in ten.
# Why it surprises: with k past errors the widest interval that can be justified holds k / (k + 1) of the outcomes: two thirds
#   for two. Other conformal libraries refuse such a request or answer with an infinite interval; here the column is called
#   lo-99 and nothing warns.
# Versions: statsforecast 2.1.1, numpy 2.4.6, pandas 2.3.3.
# What to do: pass ConformalIntervals(n_windows=…) of at least 100 for 99 % (20 for 95 %), and count how often the interval
#   held.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    statsforecast==2.1.1 numpy==2.4.6 pandas==2.3.3 || exit 2
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from statsforecast.models import Naive
from statsforecast.utils import ConformalIntervals

LEVELS = (80, 90, 99)


def held(windows: ConformalIntervals, walks: int) -> dict[int, float]:
    """How many outcomes of random walks lay within the interval of the last value, by level; each walk has 201 steps."""
    counts = dict.fromkeys(LEVELS, 0)
    for seed in range(walks):
        walk = np.cumsum(np.random.default_rng(seed).normal(size=201))
        forecast = Naive(prediction_intervals=windows).forecast(walk[:200], 1, level=list(LEVELS))
        for level in LEVELS:
            counts[level] += bool(forecast[f"lo-{level}"][0] <= walk[200] <= forecast[f"hi-{level}"][0])
    return {level: count / walks for level, count in counts.items()}


usual, many = held(ConformalIntervals(), walks=300), held(ConformalIntervals(n_windows=100), walks=100)
print("statsforecast", version("statsforecast"), "with n_windows =", ConformalIntervals().n_windows, "as it comes")
print("expected: 80, 90 and 99 % of the outcomes within the intervals of 80, 90 and 99 %, or a refusal")
for name, shares in (("as it comes", usual), ("with 100 windows", many)):
    print(f"seen: {name}:", ", ".join(f"{level} % held {share:.0%}" for level, share in shares.items()))
sys.exit(0 if usual[99] < 0.8 and usual[99] - usual[80] < 0.12 and many[99] > 0.95 else "no longer so")
PYTHON
