#!/bin/sh
# Installs torch into the environment of the given python: the one place that says where its small CPU build comes from.
# Where that index cannot be reached, the same version comes from plain PyPI (larger by the parts for graphics cards).
set -eu
python=${1:-python3}
index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
# Without its dependencies, which are ordinary packages and come from where all others come from.
exec "$python" -m pip install --quiet --no-deps --retries 1 --timeout 60 --constraint requirements.txt --extra-index-url "$index" torch
