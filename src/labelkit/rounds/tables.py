"""The ledger's schema. Imports SQLAlchemy, so it is itself imported only when a ledger is opened.

Types are portable between SQLite and PostgreSQL. Answers are never overwritten: a changed
annotation is a new ``version``, and ``is_current`` marks the one that counts. ``events``,
``adjudications`` and ``gold_labels`` are only ever added to, which ``guards`` has the database
enforce. The counts in ``rounds`` are kept by ``counters``, so that a status costs one row.

A change here needs a new migration in ``migrations/versions`` and a new ``SCHEMA_VERSION``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

SCHEMA_VERSION = 2

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


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


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
    sa.Column("name", sa.Text, nullable=False, unique=True),
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
    sa.Column("cursor", sa.Text),
    sa.Column("model_version", sa.Text),
    # the round whose disagreements this one settles
    sa.Column("follows_id", _Id),
    # tasks in the project when it was last looked through for copies
    sa.Column("n_looked_through", sa.Integer),
    _count("n_tasks"),
    _count("n_on_platform"),
    _count("n_answered_tasks"),
    _count("n_annotations"),
    _count("n_skipped"),
    _count("n_unreadable"),
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
    sa.Column("model_version", sa.Text),
    sa.Column("pre_annotated", sa.Boolean, nullable=False),
    sa.Column("platform_task_id", sa.Text),
    # how many people are to answer, and the answer where it is known: a hidden gold question
    sa.Column("n_wanted", sa.Integer, nullable=False, server_default="1"),
    sa.Column("known_label", sa.Integer),
    sa.UniqueConstraint("round_id", "example_key"),
    sa.Index("ix_tasks_round_id_push_order", "round_id", "push_order"),
    # what is still to be sent: found without looking at what is there already
    sa.Index(
        "ix_tasks_unsent",
        "round_id",
        "push_order",
        sqlite_where=sa.text("platform_task_id IS NULL"),
        postgresql_where=sa.text("platform_task_id IS NULL"),
    ),
)

# Not called `annotations`: that name is taken by the __future__ import.
answers = sa.Table(
    "annotations",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("task_id", _Id, sa.ForeignKey("tasks.id"), nullable=False),
    # where it was given: a task may have come to stand on the platform twice
    sa.Column("platform_task_id", sa.Text, nullable=False),
    sa.Column("platform_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("is_current", sa.Boolean, nullable=False),
    # answered, skipped, unreadable, or withdrawn (deleted on the platform)
    sa.Column("status", sa.String(20), nullable=False),
    # names a row of annotators
    sa.Column("annotator", sa.Text, nullable=False, index=True),
    sa.Column("label", sa.Integer),
    sa.Column("lead_time_s", sa.Float),
    sa.Column("created_at", UtcTime),
    sa.Column("updated_at", UtcTime),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("raw", sa.Text, nullable=False),
    sa.Column("comment", sa.Text),
    sa.Column("pulled_at", UtcTime, nullable=False),
    sa.UniqueConstraint("task_id", "platform_id", "version"),
    # Whatever two processes do at once: one version counts.
    sa.Index(
        "uq_annotations_current",
        "task_id",
        "platform_id",
        unique=True,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current"),
    ),
)

annotators = sa.Table(
    "annotators",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("first_seen_at", UtcTime, nullable=False),
)

# Counts, like those in `rounds`.
round_annotators = sa.Table(
    "round_annotators",
    metadata,
    sa.Column("round_id", _Id, sa.ForeignKey("rounds.id"), primary_key=True),
    sa.Column("annotator", sa.Text, primary_key=True),
    _count("n_annotations"),
)

adjudications = sa.Table(
    "adjudications",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("task_id", _Id, sa.ForeignKey("tasks.id"), nullable=False, index=True),
    sa.Column("label", sa.Integer, nullable=False),
    sa.Column("adjudicator", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    # the round in which it was decided, where it was one
    sa.Column("decided_in_id", _Id, sa.ForeignKey("rounds.id")),
    sa.Column("at", UtcTime, nullable=False),
)

gold_labels = sa.Table(
    "gold_labels",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("round_id", _Id, sa.ForeignKey("rounds.id"), nullable=False, index=True),
    sa.Column("task_id", _Id, sa.ForeignKey("tasks.id"), nullable=False, unique=True),
    sa.Column("label", sa.Integer, nullable=False),
    sa.Column("inclusion_probability", sa.Float, nullable=False),
    sa.Column("annotators", sa.Integer, nullable=False),
    sa.Column("agreement", sa.Float),
    sa.Column("adjudicated", sa.Boolean, nullable=False),
    # which answers and which decision it rests on, and by what rule
    sa.Column("method", sa.String(40), nullable=False),
    sa.Column("answer_ids", sa.JSON, nullable=False),
    sa.Column("adjudication_id", _Id, sa.ForeignKey("adjudications.id")),
    sa.Column("at", UtcTime, nullable=False),
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

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    # a random mark of one holding, null when nobody holds it
    sa.Column("owner", sa.String(32)),
    # who that is, for messages and to see that a process of this machine is dead
    sa.Column("holder", sa.JSON(none_as_null=True)),
    # how often it was taken: grows with every holder
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("acquired_at", UtcTime),
    sa.Column("heartbeat_at", UtcTime),
    sa.Column("expires_at", UtcTime),
)

# Written before a batch leaves: what may be under way is known to whoever comes next.
sends = sa.Table(
    "sends",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("round_id", _Id, sa.ForeignKey("rounds.id"), nullable=False),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("task_ids", sa.JSON, nullable=False),
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    # done, found (it had arrived), lost (it had not), or void (its project is gone)
    sa.Column("outcome", sa.String(20)),
    sa.Index(
        "ix_sends_open",
        "round_id",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
)
