"""Annotators, adjudications, gold and where it is from, leases, open sends, counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelkit.rounds.guards import protect

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_COUNTS = (
    "n_tasks", "n_on_platform", "n_answered_tasks", "n_annotations", "n_skipped", "n_unreadable",
)  # fmt: skip
_VERSION_COLUMNS = (
    "id", "task_id", "platform_task_id", "platform_id", "version", "status", "annotator",
    "label", "lead_time_s", "created_at", "updated_at", "content_hash", "raw", "comment",
    "pulled_at",
)  # fmt: skip
# Texts of other people's making were cut at a width, which PostgreSQL refuses.
_WIDENED = (
    ("rounds", "name", 200),
    ("rounds", "cursor", 100),
    ("tasks", "model_version", 200),
    ("tasks", "platform_task_id", 500),
    ("annotations", "platform_task_id", 500),
    ("annotations", "platform_id", 500),
    ("annotations", "annotator", 200),
)
_CURRENT = "FROM annotations a JOIN tasks t ON t.id = a.task_id WHERE a.is_current"
_COUNTED = """
    UPDATE rounds SET
        n_tasks = (SELECT count(*) FROM tasks t WHERE t.round_id = rounds.id),
        n_on_platform = (SELECT count(t.platform_task_id) FROM tasks t
                         WHERE t.round_id = rounds.id),
        n_answered_tasks = (SELECT count(DISTINCT t.id) {of} AND a.status = 'answered'),
        n_annotations = (SELECT count(*) {of} AND a.status = 'answered'),
        n_skipped = (SELECT count(*) {of} AND a.status = 'skipped'),
        n_unreadable = (SELECT count(*) {of} AND a.status = 'unreadable'),
        model_version = (SELECT max(t.model_version) FROM tasks t WHERE t.round_id = rounds.id)
"""


def upgrade() -> None:
    _widen()
    _add_columns()
    _make_tables()
    _fill()
    protect(
        op.get_bind(),
        {
            "events": (),
            "adjudications": (),
            "gold_labels": (),
            "annotations": _VERSION_COLUMNS,
        },
    )
    op.execute("UPDATE meta SET value = '2' WHERE name = 'schema_version'")


def _widen() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return  # knows no widths
    for table, column, width in _WIDENED:
        op.alter_column(table, column, type_=sa.Text(), existing_type=sa.String(width))


def _add_columns() -> None:
    op.add_column("rounds", sa.Column("model_version", sa.Text))
    op.add_column("rounds", sa.Column("follows_id", _ID))
    op.add_column("rounds", sa.Column("n_looked_through", sa.Integer))
    for name in _COUNTS:
        op.add_column("rounds", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("n_wanted", sa.Integer, nullable=False, server_default="1"))
    op.add_column("tasks", sa.Column("known_label", sa.Integer))
    op.add_column("annotations", sa.Column("comment", sa.Text))
    unsent = sa.text("platform_task_id IS NULL")
    op.create_index(
        "ix_tasks_unsent",
        "tasks",
        ["round_id", "push_order"],
        sqlite_where=unsent,
        postgresql_where=unsent,
    )
    op.create_index("ix_annotations_annotator", "annotations", ["annotator"])
    op.create_index(
        "uq_annotations_current",
        "annotations",
        ["task_id", "platform_id"],
        unique=True,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current"),
    )


def _make_tables() -> None:
    op.create_table(
        "annotators",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("first_seen_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_annotators"),
        sa.UniqueConstraint("name", name="uq_annotators_name"),
    )
    op.create_table(
        "round_annotators",
        sa.Column("round_id", _ID, nullable=False),
        sa.Column("annotator", sa.Text, nullable=False),
        sa.Column("n_annotations", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("round_id", "annotator", name="pk_round_annotators"),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name="fk_round_annotators_round_id"),
    )
    op.create_table(
        "adjudications",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("label", sa.Integer, nullable=False),
        sa.Column("adjudicator", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("decided_in_id", _ID),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_adjudications"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_adjudications_task_id"),
        sa.ForeignKeyConstraint(
            ["decided_in_id"], ["rounds.id"], name="fk_adjudications_decided_in_id"
        ),
    )
    op.create_index("ix_adjudications_task_id", "adjudications", ["task_id"])
    op.create_table(
        "gold_labels",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("round_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("label", sa.Integer, nullable=False),
        sa.Column("inclusion_probability", sa.Float, nullable=False),
        sa.Column("annotators", sa.Integer, nullable=False),
        sa.Column("agreement", sa.Float),
        sa.Column("adjudicated", sa.Boolean, nullable=False),
        sa.Column("method", sa.String(40), nullable=False),
        sa.Column("answer_ids", sa.JSON, nullable=False),
        sa.Column("adjudication_id", _ID),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gold_labels"),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name="fk_gold_labels_round_id"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_gold_labels_task_id"),
        sa.ForeignKeyConstraint(
            ["adjudication_id"], ["adjudications.id"], name="fk_gold_labels_adjudication_id"
        ),
        sa.UniqueConstraint("task_id", name="uq_gold_labels_task_id"),
    )
    op.create_index("ix_gold_labels_round_id", "gold_labels", ["round_id"])
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner", sa.String(32)),
        sa.Column("holder", sa.JSON),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("acquired_at", _TIME),
        sa.Column("heartbeat_at", _TIME),
        sa.Column("expires_at", _TIME),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "sends",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("round_id", _ID, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("task_ids", sa.JSON, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("outcome", sa.String(20)),
        sa.PrimaryKeyConstraint("id", name="pk_sends"),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name="fk_sends_round_id"),
    )
    still_open = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_sends_open",
        "sends",
        ["round_id"],
        sqlite_where=still_open,
        postgresql_where=still_open,
    )


def _fill() -> None:
    """What earlier answers say about the new columns and tables."""
    op.execute(_COUNTED.format(of=f"{_CURRENT} AND t.round_id = rounds.id"))
    op.execute(
        "INSERT INTO annotators (name, first_seen_at) "
        "SELECT annotator, min(pulled_at) FROM annotations GROUP BY annotator ORDER BY 2, 1"
    )
    op.execute(
        "INSERT INTO round_annotators (round_id, annotator, n_annotations) "
        f"SELECT t.round_id, a.annotator, count(*) {_CURRENT} AND a.status = 'answered' "
        "GROUP BY t.round_id, a.annotator"
    )
