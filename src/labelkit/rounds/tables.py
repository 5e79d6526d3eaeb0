"""The ledger's schema. Imports SQLAlchemy, so it is itself imported only when a ledger is opened.

Types are portable between SQLite and PostgreSQL. Answers are never overwritten: a changed
annotation is a new ``version``, and ``is_current`` marks the one that counts. ``events`` is only
ever added to. ``SCHEMA_VERSION`` is what migrations will start from.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

SCHEMA_VERSION = 1

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column that is exactly INTEGER.
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class UtcTime(sa.TypeDecorator[datetime]):
    """An aware time, kept in UTC; SQLite has no type for it and would drop the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        time: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return time.astimezone(UTC)


meta = sa.Table(
    "meta",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.String(200), nullable=False),
)

rounds = sa.Table(
    "rounds",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("uid", sa.String(16), nullable=False, unique=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("fingerprint", sa.String(64), nullable=False, index=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("platform", sa.String(40), nullable=False),
    sa.Column("project", sa.Text),
    sa.Column("keys", sa.JSON, nullable=False),
    sa.Column("dtypes", sa.JSON, nullable=False),
    sa.Column("label_names", sa.JSON, nullable=False),
    sa.Column("fields", sa.JSON, nullable=False),
    sa.Column("instructions", sa.Text),
    # how the batch was drawn, which is what combining rounds needs
    sa.Column("design", sa.JSON),
    sa.Column("cursor", sa.String(100)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
)

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("round_id", _Id, sa.ForeignKey("rounds.id"), nullable=False),
    sa.Column("example_key", sa.Text, nullable=False),
    sa.Column("push_order", sa.Integer, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("payload_hash", sa.String(64), nullable=False),
    sa.Column("inclusion_probability", sa.Float, nullable=False),
    sa.Column("stratum", sa.String(40), nullable=False),
    sa.Column("score", sa.Float),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("soft_label", sa.JSON),
    sa.Column("model_version", sa.String(200)),
    sa.Column("pre_annotated", sa.Boolean, nullable=False),
    sa.Column("platform_task_id", sa.String(500)),
    sa.UniqueConstraint("round_id", "example_key"),
    sa.Index("ix_tasks_round_id_push_order", "round_id", "push_order"),
)

# Not called `annotations`: that name is taken by the __future__ import.
answers = sa.Table(
    "annotations",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("task_id", _Id, sa.ForeignKey("tasks.id"), nullable=False),
    # where it was given: a task may have come to stand on the platform twice
    sa.Column("platform_task_id", sa.String(500), nullable=False),
    sa.Column("platform_id", sa.String(500), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("is_current", sa.Boolean, nullable=False),
    # answered, skipped, unreadable, or withdrawn (deleted on the platform)
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("annotator", sa.String(200), nullable=False),
    sa.Column("label", sa.Integer),
    sa.Column("lead_time_s", sa.Float),
    sa.Column("created_at", UtcTime),
    sa.Column("updated_at", UtcTime),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("raw", sa.Text, nullable=False),
    sa.Column("pulled_at", UtcTime, nullable=False),
    sa.UniqueConstraint("task_id", "platform_id", "version"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("round_id", _Id, sa.ForeignKey("rounds.id"), nullable=False, index=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
)
