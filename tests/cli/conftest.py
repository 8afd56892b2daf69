"""The simulated chain of the worker's tests, which the command's tests look at too."""

from tests.worker.conftest import measure, run_chain

__all__ = ["measure", "run_chain"]
