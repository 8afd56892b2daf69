#!/usr/bin/env bash
# What: models for a positive target (Poisson, gamma, Tweedie: volatilities, volumes, counts) predict the exponential of the sum
#   of their trees. skl2onnx for HistGradientBoostingRegressor and CatBoost's own export write a graph that ends at the sum. The
#   answer is the logarithm of what it should be, often negative, without a warning.
# Why it surprises: skl2onnx adds the exponential for PoissonRegressor and GammaRegressor, and both exporters are exact for
#   squared errors, so that a check of the export with the default loss passes.
# Versions: skl2onnx 1.20.0, catboost 1.2.10, scikit-learn 1.9.1, onnx 1.22.0, onnxruntime 1.31.1, protobuf 6.33.6, numpy 2.4.6.
# What to do: append an Exp node to the graph, or fit the logarithm with squared errors; compare graph and model for each loss.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    skl2onnx==1.20.0 catboost==1.2.10 scikit-learn==1.9.1 onnx==1.22.0 onnxruntime==1.31.1 protobuf==6.33.6 numpy==2.4.6 || exit 2
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import onnx
from catboost import CatBoostRegressor
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import PoissonRegressor

rng = np.random.default_rng(0)
features = rng.normal(size=(400, 3)).astype(np.float32)
volatility = np.exp(features[:, 0] / 2 + 0.1 * rng.normal(size=400))


def exported(model) -> onnx.ModelProto:
    """The graph that the model's usual exporter writes."""
    if not isinstance(model, CatBoostRegressor):
        return to_onnx(model, features[:1])
    model.save_model("model.onnx", format="onnx")
    return onnx.load("model.onnx")


def lacks(model) -> str:
    """What the graph's answers lack: nothing, the exponential, or something else."""
    model.fit(features, volatility)
    session = InferenceSession(exported(model).SerializeToString(), providers=["CPUExecutionProvider"])
    answers = session.run(None, {session.get_inputs()[0].name: features})[0].ravel()
    right = model.predict(features)
    if np.allclose(answers, right, rtol=1e-4):
        return "nothing"
    return "the exponential" if np.allclose(np.exp(answers), right, rtol=1e-4) else "something else"


quiet = {"iterations": 20, "verbose": 0, "allow_writing_files": False}
seen = {
    "skl2onnx, linear, poisson": lacks(PoissonRegressor()),
    "skl2onnx, boosting, squared_error": lacks(HistGradientBoostingRegressor(max_iter=20)),
    "skl2onnx, boosting, poisson": lacks(HistGradientBoostingRegressor(loss="poisson", max_iter=20)),
    "skl2onnx, boosting, gamma": lacks(HistGradientBoostingRegressor(loss="gamma", max_iter=20)),
    "catboost, RMSE": lacks(CatBoostRegressor(**quiet)),
    "catboost, Poisson": lacks(CatBoostRegressor(loss_function="Poisson", **quiet)),
    "catboost, Tweedie": lacks(CatBoostRegressor(loss_function="Tweedie:variance_power=1.5", **quiet)),
}
print("skl2onnx", version("skl2onnx"), "and catboost", version("catboost"), "with onnxruntime", version("onnxruntime"))
print("expected: the graphs lack nothing")
for name, lacking in seen.items():
    print(f"seen: {name}: the graph lacks {lacking}")
known = ["nothing"] * 2 + ["the exponential"] * 2 + ["nothing"] + ["the exponential"] * 2
sys.exit(0 if list(seen.values()) == known else "no longer so")
PYTHON
