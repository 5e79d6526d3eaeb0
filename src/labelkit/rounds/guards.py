"""What the database itself refuses, whoever asks: history is added to, never changed.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

PROTECTED: Mapping[str, Sequence[str]] = {
    "events": (),
    "adjudications": (),
    "gold_labels": (),
    # All but `is_current`, which moves on to the next version.
    "annotations": (
        "id", "task_id", "platform_task_id", "platform_id", "version", "status", "annotator",
        "label", "lead_time_s", "created_at", "updated_at", "content_hash", "raw",
        "comment", "pulled_at",
    ),
}  # fmt: skip
"""Table → the columns that must not change once written; none named means all."""


def protect(connection: sa.Connection, tables: Mapping[str, Sequence[str]]) -> None:
    """Have the database refuse UPDATE (of these columns) and DELETE on these tables."""
    make = _postgresql if connection.dialect.name == "postgresql" else _sqlite
    for table, columns in tables.items():
        for statement in make(table, columns):
            connection.exec_driver_sql(statement)


def _said(table: str) -> str:
    return f"{table} is append-only: what was written stays"


def _update(columns: Sequence[str]) -> str:
    return f"UPDATE OF {', '.join(columns)}" if columns else "UPDATE"


def _sqlite(table: str, columns: Sequence[str]) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_no_{name} BEFORE {what} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{_said(table)}'); END"
        for name, what in (("update", _update(columns)), ("delete", "DELETE"))
    ]


def _postgresql(table: str, columns: Sequence[str]) -> list[str]:
    function = f"{table}_append_only"
    refuse = f"EXECUTE FUNCTION {function}()"
    return [
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_said(table)}'; END $$",
        f"CREATE TRIGGER {table}_no_update BEFORE {_update(columns)} ON {table} "
        f"FOR EACH ROW {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW {refuse}",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT {refuse}",
    ]
