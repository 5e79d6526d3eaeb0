"""Annotations out of the ledger, hidden gold questions among them.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from labelkit.rounds.tables import UtcTime, answers, rounds, tasks

if TYPE_CHECKING:
    import polars as pl


def standing(connection: sa.Connection, *, round: str | None = None) -> pl.DataFrame:
    """See ``Ledger.annotations``."""
    import polars as pl

    at = sa.func.coalesce(answers.c.updated_at, answers.c.created_at, type_=UtcTime())
    query = (
        sa.select(
            rounds.c.name,
            tasks.c.example_key,
            answers.c.annotator,
            answers.c.label,
            tasks.c.known_label,
            tasks.c.stratum,
            tasks.c.inclusion_probability,
            tasks.c.n_wanted,
            answers.c.lead_time_s,
            at,
        )
        .select_from(
            answers.join(tasks, answers.c.task_id == tasks.c.id).join(
                rounds, tasks.c.round_id == rounds.c.id
            )
        )
        .where(
            answers.c.is_current.is_(True),
            answers.c.status == "answered",
            # An adjudicator has the last word; it is no answer among others.
            rounds.c.follows_id.is_(None),
        )
        .order_by(answers.c.id)
    )
    if round is not None:
        query = query.where(rounds.c.name == round)
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "round": pl.String, "example": pl.String, "annotator": pl.String, "label": pl.Int64,
        "known_label": pl.Int64, "stratum": pl.String, "inclusion_probability": pl.Float64,
        "n_wanted": pl.Int64, "lead_time_s": pl.Float64, "at": pl.Datetime("us", "UTC"),
    }  # fmt: skip
    rows = [tuple(row) for row in connection.execute(query)]
    return pl.DataFrame(rows, schema=schema, orient="row")


def n_wanting(connection: sa.Connection, round: str) -> int:
    """How many tasks of a round have fewer annotators' answers than they are to get."""
    people = sa.func.count(sa.distinct(answers.c.annotator))
    counts = sa.and_(
        answers.c.task_id == tasks.c.id,
        answers.c.is_current.is_(True),
        answers.c.status == "answered",
    )
    short = (
        sa.select(tasks.c.id)
        .select_from(tasks.join(rounds, tasks.c.round_id == rounds.c.id).outerjoin(answers, counts))
        .where(rounds.c.name == round)
        .group_by(tasks.c.id, tasks.c.n_wanted)
        .having(people < tasks.c.n_wanted)
        .subquery()
    )
    return int(connection.scalar(sa.select(sa.func.count()).select_from(short)) or 0)
