#!/usr/bin/env bash
# What: nine residuals are just enough for a 90 % interval: rank ceil(0.9 × 10) = 9. Asked for it, crepes answers infinity,
#   mapie raises, and puncc gives the ninth when alpha is written 0.1 and raises when it is written 1 - 0.9. With 99 residuals
#   crepes still takes one rank more than the other two at 80 and 90 %, and the right one at 50, 95 and 99 %.
# Why it surprises: all three rest on the same formula. The difference is 1 - 0.9 = 0.09999999999999998 in floating point:
#   crepes cuts (1 - confidence) × (n + 1) to a whole number and loses one, puncc compares the two sides. 1 - 0.95 errs the
#   other way. (mapie asks for more than 1 / (1 - confidence) examples, where the formula needs one less than that.)
# Versions: crepes 0.9.1, mapie 1.6.0, puncc 0.9.3, numpy 1.26.4, scikit-learn 1.9.1, pandas 3.0.6.
# What to do: take the rank in whole numbers (ceil((n + 1) × 90 / 100) with integers, or a rounding before the ceil); give puncc
#   alpha as a literal; do not compare intervals of different libraries at the edge of what the sample size allows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    crepes==0.9.1 mapie==1.6.0 puncc==0.9.3 numpy==1.26.4 scikit-learn==1.9.1 pandas==3.0.6 || exit 2
"$folder/venv/bin/python" - <<'PYTHON'
import math
import sys
import warnings
from fractions import Fraction
from importlib.metadata import version

import numpy as np
from crepes import ConformalRegressor
from deel.puncc.api.prediction import BasePredictor
from deel.puncc.regression import SplitCP
from mapie.regression import SplitConformalRegressor
from sklearn.base import BaseEstimator, RegressorMixin

warnings.simplefilter("ignore")


class Zero(RegressorMixin, BaseEstimator):
    """A model that always says zero, so that residual k of 1 … n is k and the upper bound is the rank that was taken."""

    def fit(self, features, actual=None):
        self.n_features_in_ = 1
        return self

    def predict(self, features):
        return np.zeros(len(features))


zero = Zero().fit(np.zeros((2, 1)))
one = np.zeros((1, 1))


def by_crepes(n, confidence):
    return ConformalRegressor().fit(residuals=np.arange(1, n + 1.0)).predict_int(np.zeros(1), confidence=confidence)[0, 1]


def by_mapie(n, confidence):
    model = SplitConformalRegressor(zero, confidence_level=confidence, prefit=True)
    return model.conformalize(np.zeros((n, 1)), np.arange(1, n + 1.0)).predict_interval(one)[1].ravel()[1]


def by_puncc(n, alpha):
    model = SplitCP(BasePredictor(zero, is_trained=True), train=False)
    model.fit(X_calib=np.zeros((n, 1)), y_calib=np.arange(1, n + 1.0))
    return float(np.ravel(model.predict(one, alpha=alpha)[-1])[0])


def answer(function, *arguments):
    try:
        return float(function(*arguments))
    except ValueError:
        return "raises ValueError"


print(*(f"{name} {version(name)}" for name in ("crepes", "mapie", "puncc", "numpy")), sep=", ")
print("expected: with residuals 1 … 9 and 90 %, an upper bound of 9 from each")
nine = [answer(by_crepes, 9, 0.9), answer(by_mapie, 9, 0.9), answer(by_puncc, 9, 0.1), answer(by_puncc, 9, 1 - 0.9)]
print(f"seen: crepes {nine[0]}, mapie {nine[1]}, puncc at 0.1 {nine[2]}, puncc at 1 - 0.9 {nine[3]}")
more = {}
for percent in (50, 80, 90, 95, 99):
    right = math.ceil(Fraction(percent, 100) * 100)
    more[percent] = answer(by_crepes, 99, percent / 100) - right
    by_the_other = answer(by_puncc, 99, 1 - percent / 100) - right
    print(f"seen: 99 residuals, {percent} %: rank {right} is right; crepes {more[percent]:+.0f}, puncc {by_the_other:+.0f}")
known = nine == [math.inf, "raises ValueError", 9.0, "raises ValueError"]
sys.exit(0 if known and more == {50: 0, 80: 1, 90: 1, 95: 0, 99: 0} else "no longer so")
PYTHON
