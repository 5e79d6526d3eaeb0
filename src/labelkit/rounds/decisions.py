"""What adjudicators decide, and the gold that is written down when a round closes.

Imports SQLAlchemy, so it is itself imported only when something is decided or closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelkit.errors import RoundError
from labelkit.rounds import store
from labelkit.rounds.answers import current_answers
from labelkit.rounds.gold import Decision, settled
from labelkit.rounds.keys import encode
from labelkit.rounds.tables import adjudications, gold_labels, rounds, tasks

if TYPE_CHECKING:
    import polars as pl


def record(
    connection: sa.Connection,
    row: sa.Row[Any],
    labels: Mapping[tuple[object, ...], int],
    *,
    adjudicator: str,
    reason: str | None,
    decided_in_id: int | None,
) -> int:
    """Write down an adjudicator's decisions on examples of a round; returns how many are new."""
    wanted = {encode(example): label for example, label in labels.items()}
    ids = store.task_rows(connection, row.id, list(wanted))
    strange = [key for key in wanted if key not in ids]
    if strange:
        raise RoundError(
            f"Round {row.name!r} does not ask about {len(strange):,} of the {len(wanted):,} "
            f"examples that were decided (first: {strange[0]})."
        )
    bad = [(key, label) for key, label in wanted.items() if label not in range(_k(row))]
    if bad:
        raise RoundError(
            f"{len(bad):,} decisions are none of the classes 0 … {_k(row) - 1} of round "
            f"{row.name!r} (first: {bad[0][1]!r} for {bad[0][0]})."
        )
    known = _latest(connection, list(ids.values()))
    new = [
        {
            "task_id": ids[key],
            "label": int(label),
            "adjudicator": adjudicator,
            "reason": reason,
            "decided_in_id": decided_in_id,
            "at": store.now(),
        }
        for key, label in wanted.items()
        if known.get(ids[key]) != label
    ]
    if new:
        connection.execute(sa.insert(adjudications), new)
        store.log_event(
            connection, row.id, "decided", {"n_examples": len(new), "adjudicator": adjudicator}
        )
    return len(new)


def _latest(connection: sa.Connection, task_ids: Sequence[int]) -> dict[int, int]:
    """Task → the label that was decided last, for those of these tasks that were decided."""
    found: dict[int, int] = {}
    for start in range(0, len(task_ids), store.CHUNK):
        query = (
            sa.select(adjudications.c.task_id, adjudications.c.label)
            .where(adjudications.c.task_id.in_(task_ids[start : start + store.CHUNK]))
            .order_by(adjudications.c.id)
        )
        found.update((task_id, label) for task_id, label in connection.execute(query))
    return found


def current_decisions(connection: sa.Connection, *, round: str | None = None) -> list[Decision]:
    """The latest decision on each example, of one round or of all."""
    latest = sa.select(sa.func.max(adjudications.c.id)).group_by(adjudications.c.task_id)
    query = (
        sa.select(
            adjudications.c.id,
            tasks.c.round_id,
            rounds.c.name,
            rounds.c["keys"].label("key_names"),
            rounds.c.dtypes,
            tasks.c.example_key,
            tasks.c.inclusion_probability,
            adjudications.c.label,
        )
        .select_from(
            adjudications.join(tasks, adjudications.c.task_id == tasks.c.id).join(
                rounds, tasks.c.round_id == rounds.c.id
            )
        )
        .where(adjudications.c.id.in_(latest))
        .order_by(adjudications.c.id)
    )
    if round is not None:
        query = query.where(rounds.c.name == round)
    return [
        Decision(
            id=row.id,
            round_id=row.round_id,
            round=row.name,
            keys=tuple(row.key_names),
            dtypes=tuple(row.dtypes),
            example_key=row.example_key,
            inclusion_probability=row.inclusion_probability,
            label=row.label,
        )
        for row in connection.execute(query)
    ]


def write_gold(connection: sa.Connection, row: sa.Row[Any]) -> int:
    """Write down the gold of a round that closes, with all that it rests on."""
    frame = settled(
        current_answers(connection, round=row.name), current_decisions(connection, round=row.name)
    )
    ids = store.task_rows(connection, row.id, frame["example"].to_list())
    now = store.now()
    new = [
        {
            "round_id": row.id,
            "task_id": ids[gold["example"]],
            "label": gold["label"],
            "inclusion_probability": gold["inclusion_probability"],
            "annotators": gold["annotators"],
            "agreement": gold["agreement"],
            "adjudicated": gold["adjudicated"],
            "method": "adjudication" if gold["adjudicated"] else "majority",
            "answer_ids": gold["answer_ids"],
            "adjudication_id": gold["adjudication_id"],
            "at": now,
        }
        for gold in frame.iter_rows(named=True)
    ]
    if new:
        connection.execute(sa.insert(gold_labels), new)
    return len(new)


def gold_sources(connection: sa.Connection, *, round: str | None = None) -> pl.DataFrame:
    """See ``Ledger.gold_sources``."""
    import polars as pl

    joined = (
        gold_labels.join(tasks, gold_labels.c.task_id == tasks.c.id)
        .join(rounds, gold_labels.c.round_id == rounds.c.id)
        .outerjoin(adjudications, gold_labels.c.adjudication_id == adjudications.c.id)
    )
    query = (
        sa.select(
            rounds.c.name,
            tasks.c.example_key,
            gold_labels.c.label,
            gold_labels.c.inclusion_probability,
            gold_labels.c.annotators,
            gold_labels.c.agreement,
            gold_labels.c.adjudicated,
            gold_labels.c.method,
            gold_labels.c.answer_ids,
            adjudications.c.adjudicator,
            adjudications.c.reason,
            gold_labels.c.at,
        )
        .select_from(joined)
        .order_by(gold_labels.c.id)
    )
    if round is not None:
        query = query.where(rounds.c.name == round)
    return pl.DataFrame(
        [tuple(row) for row in connection.execute(query)],
        schema={
            "round": pl.String, "example": pl.String, "label": pl.Int64,
            "inclusion_probability": pl.Float64, "annotators": pl.Int64,
            "agreement": pl.Float64, "adjudicated": pl.Boolean, "method": pl.String,
            "answer_ids": pl.List(pl.Int64), "adjudicator": pl.String, "reason": pl.String,
            "closed_at": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )  # fmt: skip


def _k(row: sa.Row[Any]) -> int:
    return len(row.label_names)
