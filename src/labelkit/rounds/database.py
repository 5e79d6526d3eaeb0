"""Opening the ledger's database: SQLite with a write-ahead log, or PostgreSQL by its URL.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool, StaticPool

from labelkit.errors import RoundError
from labelkit.rounds import migrate, tables

_BUSY_TIMEOUT_MS = 30_000
_EXTRAS = {"psycopg": "labelkit[postgres]", "psycopg2": "labelkit[postgres]"}
_LOG = logging.getLogger("labelkit")


class Database:
    """Short transactions on one database; each either happens whole or not at all."""

    def __init__(self, url: str) -> None:
        self._shown = hidden(url)
        try:
            self._engine = _engine(url)
            try:
                self._prepare()
            except BaseException:
                self._engine.dispose()
                raise
        except sa.exc.SQLAlchemyError as error:
            raise RoundError(
                f"The ledger {self._shown} cannot be opened: {_first_line(error)} "
                "A ledger is a database URL such as 'sqlite:///rounds.db'."
            ) from None
        except ModuleNotFoundError as error:
            extra = _EXTRAS.get(str(error.name))
            hint = f": pip install '{extra}'." if extra else "."
            raise RoundError(
                f"The ledger {self._shown} needs the Python package {error.name!r}{hint}"
            ) from None

    @property
    def is_shared(self) -> bool:
        """Another process can open this database as well; one in memory it cannot."""
        return not isinstance(self._engine.pool, StaticPool)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view that blocks nobody."""
        connection = self._connect()
        if connection.dialect.name == "postgresql":
            # All queries of a view see one moment; SQLite has it so by itself.
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection, self._told():
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction. On SQLite writers queue at its start, so what it reads stays true."""
        writing = self._connect().execution_options(labelkit_write=True)
        with self._told(), writing as connection, connection.begin():
            yield connection

    def now(self, connection: sa.Connection) -> Any:
        """The time on the clock that all who share this ledger go by, aware, in UTC."""
        from labelkit.rounds import store

        if connection.dialect.name == "postgresql":
            return connection.scalar(sa.select(sa.func.clock_timestamp(type_=tables.UtcTime())))
        return store.now()

    def close(self) -> None:
        self._engine.dispose()

    def _connect(self) -> sa.Connection:
        with self._told():
            return self._engine.connect()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell of a database that goes away in a sentence; what was not committed is not."""
        try:
            yield
        except sa.exc.OperationalError as error:
            raise RoundError(
                f"The ledger {self._shown} does not answer: {_first_line(error)} Repeat the "
                "command when it does: nothing is sent or counted twice."
            ) from None

    def _prepare(self) -> None:
        with self._engine.connect() as connection:
            version = migrate.schema_version(connection)
        if version == tables.SCHEMA_VERSION:
            return
        writing = self._engine.connect().execution_options(labelkit_write=True)
        with writing as connection, connection.begin():
            migrate.lock(connection)
            # Somebody else may have done it while we waited.
            version = migrate.schema_version(connection)
            if version is None:
                migrate.make(connection)
                return
            migrate.refuse_newer(version)
            if version < tables.SCHEMA_VERSION:
                self._migrate(connection, version)

    def _migrate(self, connection: sa.Connection, version: int) -> None:
        path = self._engine.url.database
        kept = ""
        if connection.dialect.name == "sqlite" and self.is_shared and path is not None:
            kept = f"; a copy of it as it was is {migrate.back_up(Path(path), version)}"
        migrate.upgrade(connection, version)
        _LOG.warning(
            "the ledger %s was brought from schema %d to %d%s",
            self._shown,
            version,
            tables.SCHEMA_VERSION,
            kept,
        )


def hidden(url: str) -> str:
    """A database URL without its password, for messages."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "with this URL"


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.drivername in ("postgresql", "postgres"):
        # SQLAlchemy would take the driver of a generation ago.
        old = find_spec("psycopg") is None and find_spec("psycopg2") is not None
        parsed = parsed.set(drivername="postgresql+psycopg2" if old else "postgresql+psycopg")
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


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") + "."
