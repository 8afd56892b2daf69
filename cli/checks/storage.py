"""Checks of the disks, the database and the model store."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from cli.checks.check_result import CheckResult, Probe, State, failed, ok
from cli.context import Place
from node.database import open_database

LEAST_FREE = 0.1
"""Part of the disk below which the alert rules warn too."""

LEAST_FREE_BYTES = 1 << 30
GIGABYTE = 10**9


def probes(place: Place) -> dict[str, Probe]:
    """What lies on this machine."""
    return {"database": lambda: _database(place), "disk": lambda: _disk(place)}


def _database(place: Place) -> list[CheckResult]:
    url = place.settings.database_url
    file = place.settings.folders.get("data") and Path(url.partition(":///")[2])
    if file and not file.exists():
        return [CheckResult("database", State.NOT_YET, f"{file} is not there", "The updater makes it when it starts.")]
    engine = open_database(url)
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1 FROM candles LIMIT 1")
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        return failed("database", f"{shown}: {reason}", "Is DATABASE_URL right, and may this user read and write there?")
    finally:
        engine.dispose()
    return ok("database", f"{shown}, {file.stat().st_size / 1e6:.0f} MB" if file else shown)


def _disk(place: Place) -> list[CheckResult]:
    found = []
    for name, folder in place.settings.folders.items():
        there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path("/"))
        usage = shutil.disk_usage(there)
        free = f"{usage.free / GIGABYTE:.1f} GB of {usage.total / GIGABYTE:.0f} GB are free under {folder}"
        if usage.free < LEAST_FREE_BYTES or usage.free < LEAST_FREE * usage.total:
            hint = "allora-node models prune removes old versions, and a smaller updater.keepDays makes the database grow less."
            found += failed(f"disk: {name}", free, hint)
        else:
            found += ok(f"disk: {name}", free)
    return found
