#!/bin/sh
# Installs what the named extra of pyproject.toml needs, in the pinned versions, without installing the project itself.
set -eu
python - "$1" > /tmp/needs.txt <<'P'
import sys, tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
print("\n".join(project["dependencies"] + project["optional-dependencies"][sys.argv[1]]))
P
python -m pip install --quiet --constraint requirements.txt --requirement /tmp/needs.txt
rm /tmp/needs.txt
