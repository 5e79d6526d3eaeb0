"""Bringing a ledger's schema up to date, under a lock and after a backup.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened; Alembic is imported only
when there is something to do.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from labelkit.errors import RoundError
from labelkit.rounds import guards, tables

# One number for all ledgers of a server: opening a ledger is quick, and queues at worst.
_ADVISORY_LOCK = 0x1ABE1_1ED6E8


def schema_version(connection: sa.Connection) -> int | None:
    """The schema of the ledger that this database holds; None if it holds none."""
    if not sa.inspect(connection).has_table("meta"):
        return None
    found = connection.scalar(
        sa.select(tables.meta.c.value).where(tables.meta.c.name == "schema_version")
    )
    return None if found is None else int(found)


def lock(connection: sa.Connection) -> None:
    """Until the end of the transaction, nobody else makes or migrates a ledger here.

    On SQLite a writing transaction is that lock already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


def refuse_newer(version: int) -> None:
    """A ledger that a later labelkit wrote is left alone."""
    if version > tables.SCHEMA_VERSION:
        raise RoundError(
            f"The ledger has schema {version}, and this labelkit knows schemas up to "
            f"{tables.SCHEMA_VERSION}: a later version of labelkit has written it. Update labelkit."
        )


def make(connection: sa.Connection) -> None:
    """The schema of today in an empty database."""
    tables.metadata.create_all(connection)
    guards.protect(connection, guards.PROTECTED)
    row = {"name": "schema_version", "value": str(tables.SCHEMA_VERSION)}
    connection.execute(sa.insert(tables.meta), row)
    # As Alembic notes it, which is not imported for that.
    alembic = sa.Table(
        "alembic_version",
        sa.MetaData(),
        sa.Column("version_num", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    alembic.create(connection)
    connection.execute(sa.insert(alembic), {"version_num": f"{tables.SCHEMA_VERSION:04}"})


def upgrade(connection: sa.Connection, version: int, *, to: str = "head") -> None:
    """All steps from schema ``version`` on, in the transaction of ``connection``."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, metadata=tables.metadata)
    if version == 1 and not sa.inspect(connection).has_table("alembic_version"):
        # The first schema was made before there were migrations.
        command.stamp(config, "0001")
    command.upgrade(config, to)


def back_up(path: Path, version: int) -> Path:
    """A copy of a SQLite ledger beside it, as it is before the migration; whole or not there."""
    copy = path.with_name(f"{path.name}.schema-{version}.bak")
    making = copy.with_name(f"{copy.name}.{os.getpid()}")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(making)) as target:
        source.backup(target)
    os.replace(making, copy)
    return copy
