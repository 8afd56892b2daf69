#!/usr/bin/env bash
# What: safetensors.numpy saves the transpose of a matrix (coef_.T, np.asfortranarray) with the shape of the transpose and the
#   values in the order of the matrix: what is loaded is another matrix. No error, no warning, at writing or at reading.
# Why it surprises: the format stores rows one after another, and the functions for PyTorch refuse a tensor that is not laid out
#   so, with a message that says what to call. The file is well-formed, shapes and types are right, and a digest of the file
#   verifies.
# Versions: safetensors 0.8.0, numpy 2.4.6.
# What to do: np.ascontiguousarray around every array that is saved, and one forward pass after loading. This node saves by
#   safetensors.torch and checks sample answers at every load.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6 || exit 2
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load, save

coefficients = np.arange(6, dtype=np.float32).reshape(2, 3)
arrays = {"as it is": coefficients, "its transpose": coefficients.T, "in Fortran's order": np.asfortranarray(coefficients)}
same = {}
print("safetensors", version("safetensors"), "with numpy", version("numpy"))
print("expected: every array is loaded as it was saved, or saving it is refused")
for name, array in arrays.items():
    loaded = load(save({"array": array}))["array"]
    same[name] = loaded.shape == array.shape and np.array_equal(loaded, array)
    print(f"seen: {name}: saved {array.tolist()}, loaded {loaded.tolist()}")
sys.exit(0 if list(same.values()) == [True, False, False] else "no longer so")
PYTHON
