#!/bin/sh
# Installs what the named extras of pyproject.toml need, in the pinned versions, without installing the project itself.
set -eu
python - "$@" > /tmp/needs.txt <<'P'
import sys, tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
print("\n".join(project["dependencies"] + [need for name in sys.argv[1:] for need in extras[name]]))
P
python -m pip install --quiet --constraint requirements.txt --requirement /tmp/needs.txt
rm /tmp/needs.txt
