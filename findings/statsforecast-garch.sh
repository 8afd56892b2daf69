#!/usr/bin/env bash
# What: the point forecast of statsforecast's GARCH (and ARCH) is no forecast. It is the model's deviation times random numbers
#   drawn with a fixed seed: the same numbers for every series, whatever is in it, and for the series turned upside down as
#   well. The bounds around it are that draw ± quantile × variance, where a deviation belongs, so that they depend on the unit
#   of the series.
# Why it surprises: the key is called "mean", the mean of this model is zero, and the result is repeatable, so nothing looks
#   random. With returns as fractions (0.001) the 90 % interval held none of 100 outcomes.
# Versions: statsforecast 2.1.1, numpy 2.4.6, pandas 2.3.3.
# What to do: use `sigma2` of the result alone, on returns scaled to about one (on fractions the fit itself is far off), take zero
#   or your own mean as the point, and build the interval from the square root.
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
from statsforecast.models import GARCH


def returns(seed: int, size: int) -> np.ndarray:
    """Log returns of a candle, about a tenth of a percent each."""
    return np.random.default_rng(seed).normal(size=size) * 1e-3


series = returns(0, 600)
others = {"a series": series, "the same, upside down": -series, "another one": returns(1, 900)}
forecasts = {name: GARCH(1, 1).forecast(values, 4, level=[90]) for name, values in others.items()}

print("statsforecast", version("statsforecast"))
print("expected: a mean of zero, or one that depends on the series; ± 1.645 deviations for 90 %")
steps = []
for name, forecast in forecasts.items():
    steps.append(forecast["mean"] / np.sqrt(forecast["sigma2"]))
    print(f"seen: {name}: forecast / deviation = {np.round(steps[-1], 4).tolist()}")
forecast = forecasts["a series"]
half = (forecast["hi-90"] - forecast["lo-90"])[0] / 2
variance = forecast["sigma2"][0]
print(f"seen: half the interval is {half / np.sqrt(variance):.5f} deviations and {half / variance:.3f} variances")

held = 0
for seed in range(100):
    whole = returns(seed, 301)
    bounds = GARCH(1, 1).forecast(whole[:300], 1, level=[90])
    held += bool(bounds["lo-90"][0] <= whole[300] <= bounds["hi-90"][0])
print(f"seen: {held} of 100 outcomes lay within their 90 % interval")

same = all(np.allclose(each, steps[0], atol=1e-6) for each in steps) and abs(steps[0][0]) > 0.1
sys.exit(0 if same and held < 20 and half < 0.1 * np.sqrt(variance) else "no longer so")
PYTHON
