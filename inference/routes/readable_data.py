"""The database, for the routes that read it while they answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from inference.answers.watcher import MarketData
from inference.routes.context import Context
from node.errors import NotReadyError


@contextmanager
def readable_data(context: Context) -> Iterator[MarketData]:
    """The database; NotReadyError if it was not opened yet, or fails meanwhile."""
    failed = NotReadyError("the database cannot be read", retry_after=5, hint="The log of inference says why.")
    data = context.market_data()
    if data is None:
        raise failed
    try:
        yield data
    except SQLAlchemyError as error:
        raise failed from error
