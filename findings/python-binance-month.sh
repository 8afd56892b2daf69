#!/usr/bin/env bash
# What: python-binance reads "Jan 2026", as the start of a history, as today's day of the month in January 2026: asked on the
#   27th it begins on the 27th, asked on the 5th on the 5th. "2026" is today's day and month in 2026.
# Why it surprises: with "1 Jan, 2026" beside it one expects the first of the month, as pandas and most parsers read it. No
#   error, no warning: the download lacks days at the front, another number of them each day it is run, so that two runs of the
#   same script on different days do not give the same data.
# Versions: python-binance 1.0.37, dateparser 1.5.0, freezegun 1.5.5, pandas 3.1.1, numpy 2.4.6.
# What to do: pass milliseconds, or a whole date with its time zone; check the first open time of what came back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    python-binance==1.0.37 dateparser==1.5.0 freezegun==1.5.5 pandas==3.1.1 numpy==2.4.6 || exit 2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import pandas as pd
from binance.helpers import date_to_milliseconds
from freezegun import freeze_time

ASKED = ("1 Jan, 2026", "2026-01-01", "Jan 2026", "2026")


def starts(today: str) -> dict[str, str]:
    """When a history begins that is asked for with each text on a day."""
    with freeze_time(today):
        return {text: str(pd.Timestamp(date_to_milliseconds(text), unit="ms").date()) for text in ASKED}


seen = {today: starts(today) for today in ("2026-11-27", "2026-12-05")}
print("python-binance", version("python-binance"), "with dateparser", version("dateparser"))
print("expected: 2026-01-01 for each, as pandas reads them:", [str(pd.Timestamp(text).date()) for text in ASKED])
for today, found in seen.items():
    print(f"seen: on {today}: {found}")
first, second = seen.values()
whole = all(found[text] == "2026-01-01" for found in seen.values() for text in ASKED[:2])
parts = (first["Jan 2026"], second["Jan 2026"], first["2026"], second["2026"])
sys.exit(0 if whole and parts == ("2026-01-27", "2026-01-05", "2026-11-27", "2026-12-05") else "no longer so")
PYTHON
