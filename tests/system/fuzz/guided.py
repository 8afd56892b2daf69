"""One target under atheris, in a process that libFuzzer ends: `python -m tests.system.fuzz.guided TARGET FOLDER [option…]`."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from pathlib import Path
from random import Random

import atheris
import structlog

LIBRARIES = ("zipfile", "email.utils")
ROOMS = ["node", "market", "model_store", "inference", "forecasting", "zipfile", "email"]
"""What coverage is measured in. The libraries among them are loaded long before, and made anew for it."""

for module in [name for name in sys.modules if name.partition(".")[0] in {"zipfile", "email"}]:
    del sys.modules[module]

with atheris.instrument_imports(include=ROOMS):
    for library in LIBRARIES:
        importlib.import_module(library)
    from tests.system.fuzz.mutation import mutated
    from tests.system.fuzz.targets import target_of


def mutator(data: bytes, largest: int, seed: int) -> bytes:
    """As libFuzzer asks for it."""
    return mutated(data, largest, Random(seed), atheris.Mutate)


def main() -> None:
    """Until libFuzzer ends the process: with 0 after its time, with another code after a fault."""
    name, folder, *options = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    warnings.simplefilter("error")
    with target_of(name).prepare(Path(folder)) as check:

        def run(data: bytes) -> None:
            check(data)

        atheris.Setup([sys.argv[0], *options], run, custom_mutator=mutator)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
