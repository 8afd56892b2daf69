#!/usr/bin/env bash
# What: allora_sdk's inferer takes a forecast of type numpy.float64 and refuses numpy.float32, which is what a neural network
#   answers with: a TypeError comes out of submit() itself, where failures of the model and of the transaction are returned.
#   True is submitted as "1", and the text "1_000.5" as 1000.5.
# Why it surprises: float(forecast) works for all of them, and the sanity check before the submission has just called it. Trying
#   the worker with a constant of Python, or with pandas' means (float64), finds nothing; the model's first real answer is the
#   one refused.
# Versions: allora_sdk 1.4.0rc4, numpy 2.4.6.
# What to do: return float(forecast), after checking that it is finite and not a bool. This node's worker does so.
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

import numpy as np
from allora_sdk.rpc_client.tx_manager import FeeTier
from allora_sdk.worker.inferer import Inferer

logging.disable(logging.CRITICAL)


class Chain:
    """What the inferer needs of a client: it keeps what it is asked to submit."""

    def __init__(self) -> None:
        self.submitted: list[str] = []
        query = SimpleNamespace(get_latest_network_inferences=self.nothing)
        self.emissions = SimpleNamespace(query=query, tx=SimpleNamespace(insert_worker_payload=self.insert))

    async def nothing(self, request):
        return SimpleNamespace(network_inferences=None)

    async def insert(self, *, inference_value, **others):
        self.submitted.append(inference_value[0].value)
        return SimpleNamespace(wait=lambda: self.nothing(None))


def submitted(forecast) -> str:
    """The text that reaches the chain, or what happens in its place."""
    chain = Chain()
    inferer = Inferer(wallet=None, client=chain, topic_id=69, run=lambda context: forecast, fee_tier=FeeTier.STANDARD)
    try:
        asyncio.run(inferer.submit(nonce=1, account_seq=1))
    except TypeError as error:
        return f"TypeError out of submit(): {error}"
    return chain.submitted[0]


forecasts = (2500.5, np.float64(2500.5), np.float32(2500.5), np.int64(2500), True, "1_000.5")
seen = [submitted(forecast) for forecast in forecasts]
print("allora_sdk", version("allora_sdk"), "with numpy", version("numpy"))
print("expected: every number is submitted, and what is no number is refused; a failure is returned")
for forecast, text in zip(forecasts, seen, strict=True):
    print(f"seen: {forecast!r}: {text}")
refused = [text.startswith("TypeError") for text in seen]
sys.exit(0 if refused == [False, False, True, True, False, False] and seen[4:] == ["1", "1000.5"] else "no longer so")
PYTHON
