#!/usr/bin/env bash
# What: allora_sdk brings a Poisson loss for reputers and make_reputer_function, which takes the log10 of every loss. A Poisson
#   loss of anything above a few units is negative, by that function's own examples, and the logarithm of it raises "math domain
#   error": for prices every value of the bundle fails, a perfect forecast first of all.
# Why it surprises: is_supported_loss_method("poisson") says yes, requires_explicit_loss_fn says no, and with volatilities,
#   which are small, the pair works. The chain's losses are logarithms, so that a loss that can be negative has no place there.
# Versions: allora_sdk 1.4.0rc4, numpy 2.4.6.
# What to do: subtract the loss of the perfect forecast (truth - truth × log truth), which makes it the Poisson deviance / 2 and
#   never negative; for a loss of your own, check that it is non-negative before it is submitted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    allora_sdk==1.4.0rc4 numpy==2.4.6 protobuf==5.29.6 || exit 2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import asyncio
import logging
import sys
from importlib.metadata import version
from types import SimpleNamespace

from allora_sdk.loss_methods.defaults import get_default_loss_fn, is_supported_loss_method, requires_explicit_loss_fn
from allora_sdk.worker.utils import make_reputer_function

logging.disable(logging.CRITICAL)
CONTEXT = SimpleNamespace(topic_id=1, nonce=1)


def submitted(loss: str, truth: float, forecast: float) -> float | str:
    """What a reputer would submit for a forecast."""

    async def ground_truth(context):
        return truth

    reputer = make_reputer_function(ground_truth, get_default_loss_fn(loss))
    try:
        return round(asyncio.run(reputer(CONTEXT, {"y": forecast})), 6)
    except ValueError as error:
        return f"ValueError: {error}"


pairs = ((60_000.0, 60_010.0), (5.0, 4.0), (5.0, 5.0), (0.002, 0.003))
cases = [(loss, truth, forecast) for loss in ("mse", "poisson") for truth, forecast in pairs]
seen = {case: submitted(*case) for case in cases}
print("allora_sdk", version("allora_sdk"))
print("supported:", is_supported_loss_method("poisson"), "and needs a function of one's own:", requires_explicit_loss_fn("poisson"))
print("expected: a number for each")
for (loss, truth, forecast), result in seen.items():
    print(f"seen: {loss}, truth {truth}, forecast {forecast}: {result}")
failed = [case for case, result in seen.items() if isinstance(result, str)]
sys.exit(0 if failed == cases[4:7] and is_supported_loss_method("poisson") else "no longer so")
PYTHON
