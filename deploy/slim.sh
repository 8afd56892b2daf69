#!/bin/sh
# Takes out of a virtual environment what no service runs: tests, headers, typing stubs, the installer itself.
set -eu
packages=$(echo "$1"/lib/python3.*/site-packages)
"$1"/bin/python -m pip uninstall --quiet --yes pip setuptools
find "$packages" -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.a' -o -name '*.h' -o -name '*.hpp' \) -delete
# torch: its own tests, headers, and the programs that compile extensions.
rm -rf "$packages"/torch/test "$packages"/torch/include "$packages"/torch/share
find "$packages" -path '*/torch/bin/*' ! -name torch_shm_manager -delete
rm -rf "$packages"/onnx/backend/test "$packages"/onnx/test
# plotly: its JavaScript is served, the package itself is never imported.
find "$packages"/plotly -type f ! -path '*/plotly/__init__.py' ! -path '*/package_data/plotly.min.js' -delete 2>/dev/null || true
