"""Reading the answers that count out of the ledger.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened.
"""

from __future__ import annotations

import sqlalchemy as sa

from labelkit.rounds.gold import AnswerRow
from labelkit.rounds.tables import UtcTime, answers, rounds, tasks


def current_answers(connection: sa.Connection, *, round: str | None = None) -> list[AnswerRow]:
    """All answers that count, of one round or of all, in the order in which they came in."""
    answered_at = sa.func.coalesce(answers.c.updated_at, answers.c.created_at, type_=UtcTime())
    joined = answers.join(tasks, answers.c.task_id == tasks.c.id).join(
        rounds, tasks.c.round_id == rounds.c.id
    )
    query = (
        sa.select(
            answers.c.id,
            rounds.c.id.label("round_id"),
            rounds.c.name,
            rounds.c["keys"].label("key_names"),
            rounds.c.dtypes,
            tasks.c.example_key,
            tasks.c.inclusion_probability,
            answers.c.annotator,
            answers.c.label,
            answered_at.label("answered_at"),
        )
        .select_from(joined)
        .where(
            answers.c.is_current.is_(True),
            answers.c.status == "answered",
            # A hidden gold question measures the annotator: its answer was known before.
            tasks.c.known_label.is_(None),
        )
        .order_by(answers.c.id)
    )
    if round is not None:
        query = query.where(rounds.c.name == round)
    return [
        AnswerRow(
            id=row.id,
            round_id=row.round_id,
            round=row.name,
            keys=tuple(row.key_names),
            dtypes=tuple(row.dtypes),
            example_key=row.example_key,
            inclusion_probability=row.inclusion_probability,
            annotator=row.annotator,
            label=row.label,
            answered_at=row.answered_at,
        )
        for row in connection.execute(query)
    ]
