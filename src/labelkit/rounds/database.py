"""Opening the ledger's database: SQLite with a write-ahead log, or any other by its URL.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool, StaticPool

from labelkit.errors import RoundError
from labelkit.rounds import tables

_BUSY_TIMEOUT_MS = 30_000


class Database:
    """Short transactions on one database; each either happens whole or not at all."""

    def __init__(self, url: str) -> None:
        try:
            self._engine = _engine(url)
            with self.write() as connection:
                tables.metadata.create_all(connection)
                _check_schema(connection)
        except sa.exc.SQLAlchemyError as error:
            raise RoundError(
                f"The ledger {hidden(url)} cannot be opened: {_first_line(error)} "
                "A ledger is a database URL such as 'sqlite:///rounds.db'."
            ) from None
        except ModuleNotFoundError as error:
            raise RoundError(
                f"The ledger {hidden(url)} needs the Python package {error.name!r}."
            ) from None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view that blocks nobody."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction. On SQLite writers queue at its start, so what it reads stays true."""
        writing = self._engine.connect().execution_options(labelkit_write=True)
        with writing as connection, connection.begin():
            yield connection

    def close(self) -> None:
        self._engine.dispose()


def hidden(url: str) -> str:
    """A database URL without its password, for messages."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "with this URL"


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_pre_ping=True)
    in_memory = parsed.database in (None, "", ":memory:")
    if not in_memory:
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    # A file is opened per transaction: no handle outlives it, and forks and threads share nothing.
    engine = sa.create_engine(
        parsed,
        poolclass=StaticPool if in_memory else NullPool,
        connect_args={"check_same_thread": not in_memory},
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # The driver's own transactions begin too late (at the first write); ours begin below.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("labelkit_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _check_schema(connection: sa.Connection) -> None:
    name = "schema_version"
    found = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.name == name))
    if found is None:
        row = {"name": name, "value": str(tables.SCHEMA_VERSION)}
        connection.execute(sa.insert(tables.meta), row)
    elif int(found) != tables.SCHEMA_VERSION:
        raise RoundError(
            f"The ledger has schema {found}, this labelkit knows schema {tables.SCHEMA_VERSION}: "
            "use the version of labelkit that wrote it."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") + "."
