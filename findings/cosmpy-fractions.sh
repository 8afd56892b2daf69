#!/usr/bin/env bash
# What: cosmpy reads amounts of coins such as "10uallo". "0.5uallo" is read as no coin at all, "5uallo,0.7uatom" as the first
#   coin alone, "1e18uallo" as one coin of a denomination named "e18uallo"; "1.5uallo" is an error.
# Why it surprises: the same mistake, a fraction, is refused above one and lost below it. The digits before the point are the
#   amount, the rest the denomination; an amount of zero is left out before the denomination is looked at. What was meant as an
#   amount is then none, and a list of coins is shorter than it was written.
# Versions: cosmpy 0.12.2, protobuf 5.29.6.
# What to do: amounts in the smallest unit, as whole numbers, from int; compare the number of coins that came out with those
#   that went in.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check cosmpy==0.12.2 protobuf==5.29.6 || exit 2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

from cosmpy.aerial.coins import parse_coins


def coins(text: str) -> list[str] | str:
    """What the text is read as."""
    try:
        return [f"{coin.amount} of {coin.denom}" for coin in parse_coins(text)]
    except ValueError as error:
        return f"refused: {error}"


texts = ("10uallo", "1.5uallo", "0.5uallo", "5uallo,0.7uatom", "1e18uallo")
seen = {text: coins(text) for text in texts}
print("cosmpy", version("cosmpy"))
print("expected: a fraction or an exponent is read right or refused, whatever its size")
for text, found in seen.items():
    print(f"seen: {text!r}: {found}")
lost = seen["0.5uallo"] == [] and seen["5uallo,0.7uatom"] == ["5 of uallo"] and seen["1e18uallo"] == ["1 of e18uallo"]
sys.exit(0 if seen["10uallo"] == ["10 of uallo"] and "refused" in seen["1.5uallo"] and lost else "no longer so")
PYTHON
