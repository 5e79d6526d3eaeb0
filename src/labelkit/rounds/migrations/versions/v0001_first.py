"""The first schema: rounds, tasks, annotations with their history, events.

Ledgers of that schema were made without Alembic; ``migrate`` takes them to stand here.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "rounds",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("uid", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("platform", sa.String(40), nullable=False),
        sa.Column("project", sa.Text),
        sa.Column("keys", sa.JSON, nullable=False),
        sa.Column("dtypes", sa.JSON, nullable=False),
        sa.Column("label_names", sa.JSON, nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("instructions", sa.Text),
        sa.Column("design", sa.JSON),
        sa.Column("cursor", sa.String(100)),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rounds"),
        sa.UniqueConstraint("uid", name="uq_rounds_uid"),
        sa.UniqueConstraint("name", name="uq_rounds_name"),
    )
    op.create_index("ix_rounds_fingerprint", "rounds", ["fingerprint"])
    op.create_table(
        "tasks",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("round_id", _ID, nullable=False),
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
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name="fk_tasks_round_id"),
        sa.UniqueConstraint("round_id", "example_key", name="uq_tasks_round_id_example_key"),
    )
    op.create_index("ix_tasks_round_id_push_order", "tasks", ["round_id", "push_order"])
    op.create_table(
        "annotations",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("platform_task_id", sa.String(500), nullable=False),
        sa.Column("platform_id", sa.String(500), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("is_current", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("annotator", sa.String(200), nullable=False),
        sa.Column("label", sa.Integer),
        sa.Column("lead_time_s", sa.Float),
        sa.Column("created_at", _TIME),
        sa.Column("updated_at", _TIME),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("pulled_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_annotations"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_annotations_task_id"),
        sa.UniqueConstraint(
            "task_id", "platform_id", "version", name="uq_annotations_task_id_platform_id_version"
        ),
    )
    op.create_table(
        "events",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("round_id", _ID, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name="fk_events_round_id"),
    )
    op.create_index("ix_events_round_id", "events", ["round_id"])
    op.execute("INSERT INTO meta (name, value) VALUES ('schema_version', '1')")
