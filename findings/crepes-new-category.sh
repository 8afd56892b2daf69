#!/usr/bin/env bash
# What: a Mondrian conformal regressor of crepes that meets a category it was not calibrated on answers with the interval [0,
#   0]. Not infinite, not an error, no warning, and not even around the forecast: for a price of 60000 the interval is [0, 0].
# Why it surprises: too few examples in a category give an infinite interval and a warning; none at all, the extreme of the same
#   case, gives the narrowest interval there is. Categories by hour, weekday or regime meet a new value sooner or later. The
#   conformal predictive system of the same package does the same, and its p-values in that category come from no example.
# Versions: crepes 0.9.1, numpy 2.4.6, scikit-learn 1.9.1, pandas 3.1.1.
# What to do: check np.isin(categories, those of the calibration) before asking, and refuse or fall back to the regressor
#   without them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    crepes==0.9.1 numpy==2.4.6 scikit-learn==1.9.1 pandas==3.1.1 || exit 2
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import numpy as np
from crepes import ConformalPredictiveSystem, ConformalRegressor

residuals = np.random.default_rng(0).normal(size=200)
calm_and_wild = np.repeat([0, 1], 100)
asked = np.array([0, 1, 2])
prices = np.full(3, 60_000.0)

print("crepes", version("crepes"))
print("expected: for category 2, which no residual belongs to, an infinite interval, an error or at least a warning")
surprised = True
for kind in (ConformalRegressor, ConformalPredictiveSystem):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fitted = kind().fit(residuals=residuals, bins=calm_and_wild)
        intervals = fitted.predict_int(prices, bins=asked, confidence=0.9)
    print(f"seen: {kind.__name__}: {np.round(intervals, 2).tolist()}, warnings: {len(said)}")
    surprised &= not said and intervals[2].tolist() == [0.0, 0.0] and bool((intervals[:2, 0] > 59_990).all())
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    few = ConformalRegressor().fit(residuals=residuals[:105], bins=np.repeat([0, 2], [100, 5]))
    interval = few.predict_int(prices[:1], bins=asked[2:], confidence=0.9)[0]
print(f"seen: with five residuals in category 2 instead of none: {interval.tolist()}, warnings: {len(said)}")
sys.exit(0 if surprised and said and np.isinf(interval).all() else "no longer so")
PYTHON
