"""`python -m updater`."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from market.sources import open_sources
from node.clock import SystemClock
from node.config import ConfigFile
from node.environment import Settings
from node.errors import NodeError
from node.health import StatusServer
from node.start import start, stop_on_signals
from updater.service import Updater


def run(settings: Settings, config: ConfigFile) -> int:
    """Run the updater until SIGTERM; the exit code."""
    stop = stop_on_signals()
    clock = SystemClock()
    sources = open_sources(settings, clock, config.current.updater.sources)
    try:
        updater = Updater(settings, config, sources, clock)
    except SQLAlchemyError as error:
        hint = "Is the disk full, or DATABASE_URL another file? A damaged one is moved aside: candles are fetched again."
        raise NodeError(f"the database cannot be used: {str(error).splitlines()[0]}", hint=hint) from None
    status = StatusServer(settings.status_host, settings.updater_port, updater.checks, updater.metrics.registry, updater.ended)
    status.start()
    try:
        return updater.run(stop)
    finally:
        status.stop()
        updater.close()
        sources.close()


if __name__ == "__main__":
    start("updater", run)
