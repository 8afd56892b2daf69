"""Which databases the node can use: one that its three processes share, in words that can be checked before anything is opened."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Final

from node.errors import ConfigError
from node.secrets import hide

DEFAULT: Final = "sqlite:///data/node.db"
DRIVERS: Final = {
    "sqlite": ("pysqlite",),
    "postgresql": ("psycopg2", "psycopg", "pg8000"),
}
"""By kind of database: what SQLAlchemy calls the drivers that wait for an answer, the usual one first."""

_KINDS: Final = {"postgres": "postgresql", "postgresql": "postgresql", "sqlite": "sqlite"}
_PORT: Final = re.compile(r"(?:[^:\[\]]*|\[[0-9a-fA-F:.]+\])(?::(?!0+$)[0-9]{1,5})?")
_MODULES: Final = {"pysqlite": "sqlite3"}


def database_url(text: str) -> str:
    """The URL as SQLAlchemy knows it; ValueError, without its password, for one that no node can use."""
    given = text.strip()
    scheme, separator, rest = given.partition("://")
    kind, _, driver = scheme.partition("+")
    if not separator:
        raise ValueError(f"{hide(given)!r} is not a database URL; the default is {DEFAULT}")
    if kind not in _KINDS:
        raise ValueError(f"{kind} databases are not supported; use SQLite or PostgreSQL, such as {DEFAULT}")
    known = DRIVERS[_KINDS[kind]]
    if driver and driver not in known:
        raise ValueError(f"the driver {driver} is not supported; write {_KINDS[kind]}:// or one of {', '.join(known)}")
    if _KINDS[kind] == "sqlite":
        _check_file(rest)
    elif not _PORT.fullmatch(rest.partition("/")[0].rpartition("@")[2]):
        raise ValueError(f"{hide(given)!r} has no host and port that can be; write postgresql://user:password@host:5432/name")
    return f"{_KINDS[kind]}{f'+{driver}' if driver else ''}://{rest}"


def _check_file(rest: str) -> None:
    path, _, options = rest.partition("?")
    if path in {"", "/"} or ":memory:" in path or "mode=memory" in options.split("&"):
        raise ValueError(f"a database in memory cannot be shared by the node's processes; write a file, such as {DEFAULT}")
    if not path.startswith("/"):
        raise ValueError(f"sqlite://{path} names a host; write sqlite:///{path}, or four slashes for a path from the root")


def check_driver(url: str) -> None:
    """ConfigError if the driver of a URL that `database_url` has read is not installed here."""
    kind, _, driver = url.partition("://")[0].partition("+")
    driver = driver or DRIVERS[kind][0]
    if find_spec(_MODULES.get(driver, driver)) is None:
        others = [each for each in DRIVERS[kind] if find_spec(each)]
        write = f"Write {kind}+{others[0]}:// instead." if others else f"Install it: pip install {driver}"
        raise ConfigError(f"DATABASE_URL needs the driver {driver}, which is not installed here", hint=write)
