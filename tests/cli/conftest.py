"""The simulated chain of the worker's tests, which the command's tests look at too."""

from tests.worker.conftest import run_chain

__all__ = ["run_chain"]
