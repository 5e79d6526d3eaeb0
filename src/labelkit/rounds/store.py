"""What is asked of the ledger's tables and written to them, one function a question.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened. Every function works in
the transaction it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa

from labelkit.rounds.keys import decode
from labelkit.rounds.plan import PlannedTask
from labelkit.rounds.platform import TaskSpec
from labelkit.rounds.results import RoundState, RoundStatus, RoundTask
from labelkit.rounds.tables import answers, events, rounds, tasks

# Old SQLite takes 999 parameters a statement.
CHUNK = 500


def now() -> datetime:
    return datetime.now(UTC)


def log_event(
    connection: sa.Connection, round_id: int, kind: str, detail: Mapping[str, object]
) -> None:
    row = {"round_id": round_id, "at": now(), "kind": kind, "detail": dict(detail)}
    connection.execute(sa.insert(events), row)


def find_round(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> sa.Row[Any] | None:
    """The latest round for which ``condition`` holds."""
    query = sa.select(rounds).where(condition).order_by(rounds.c.id.desc()).limit(1)
    return connection.execute(query).first()


def get_round(connection: sa.Connection, round_id: int, *, lock: bool = False) -> sa.Row[Any]:
    query = sa.select(rounds).where(rounds.c.id == round_id)
    return connection.execute(query.with_for_update() if lock else query).one()


def insert_tasks(
    connection: sa.Connection,
    round_id: int,
    planned: Iterable[PlannedTask],
    *,
    model_version: str | None,
    preannotate: bool,
) -> None:
    rows = [
        {
            "round_id": round_id,
            "example_key": task.example_key,
            "push_order": task.push_order,
            "payload": task.payload,
            "payload_hash": task.payload_hash,
            "inclusion_probability": task.inclusion_probability,
            "stratum": task.stratum,
            "score": task.score,
            "rank": task.rank,
            "soft_label": None if task.soft_label is None else list(task.soft_label),
            "model_version": model_version,
            # A shown guess anchors the annotator, and the audit must not be anchored.
            "pre_annotated": preannotate
            and task.soft_label is not None
            and task.stratum != "audit",
        }
        for task in planned
    ]
    connection.execute(sa.insert(tasks), rows)


def set_round(connection: sa.Connection, round_id: int, **values: object) -> None:
    change = sa.update(rounds).where(rounds.c.id == round_id)
    connection.execute(change.values(updated_at=now(), **values))


def task_key(uid: str, example_key: str) -> str:
    """The key that stands with the task on the platform: unique over rounds and projects."""
    return f"{uid}/{example_key}"


def task_specs(connection: sa.Connection, round_id: int, uid: str) -> list[TaskSpec]:
    """All tasks of a round in the order in which they are to be shown."""
    query = sa.select(tasks).where(tasks.c.round_id == round_id).order_by(tasks.c.push_order)
    return [
        TaskSpec(
            key=task_key(uid, row.example_key),
            data=row.payload,
            soft_label=tuple(row.soft_label) if row.pre_annotated else None,
            model_version=row.model_version,
            priority=float(row.push_order),
        )
        for row in connection.execute(query)
    ]


def set_task_ids(connection: sa.Connection, round_id: int, uid: str, ids: Mapping[str, str]) -> int:
    """Note where tasks are on the platform; returns how many of ``ids`` are of this round."""
    prefix = task_key(uid, "")
    ours = [(key.removeprefix(prefix), id_) for key, id_ in ids.items() if key.startswith(prefix)]
    if not ours:
        return 0
    change = (
        sa.update(tasks)
        .where(tasks.c.round_id == round_id, tasks.c.example_key == sa.bindparam("example"))
        .values(platform_task_id=sa.bindparam("task"))
    )
    connection.execute(change, [{"example": example, "task": id_} for example, id_ in ours])
    return len(ours)


def forget_task_ids(connection: sa.Connection, round_id: int) -> None:
    change = sa.update(tasks).where(tasks.c.round_id == round_id)
    connection.execute(change.values(platform_task_id=None))


def task_rows(
    connection: sa.Connection, round_id: int, example_keys: Sequence[str]
) -> dict[str, int]:
    """Example key → the ledger's task id, for those of ``example_keys`` that the round has."""
    found: dict[str, int] = {}
    for start in range(0, len(example_keys), CHUNK):
        part = example_keys[start : start + CHUNK]
        query = sa.select(tasks.c.example_key, tasks.c.id).where(
            tasks.c.round_id == round_id, tasks.c.example_key.in_(part)
        )
        found.update((row.example_key, row.id) for row in connection.execute(query))
    return found


def _current_of(round_id: int) -> sa.Select[Any]:
    return (
        sa.select()
        .select_from(answers.join(tasks, answers.c.task_id == tasks.c.id))
        .where(tasks.c.round_id == round_id, answers.c.is_current.is_(True))
    )


def status(connection: sa.Connection, row: sa.Row[Any]) -> RoundStatus:
    """Counts of one round."""

    def counted(state: str, what: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        return sa.func.count(sa.distinct(sa.case((answers.c.status == state, what))))

    on_platform = sa.func.count(tasks.c.platform_task_id)
    totals = connection.execute(
        sa.select(sa.func.count(), on_platform).where(tasks.c.round_id == row.id)
    ).one()
    counts = connection.execute(
        _current_of(row.id).with_only_columns(
            counted("answered", tasks.c.id),
            counted("answered", answers.c.id),
            counted("skipped", answers.c.id),
            counted("unreadable", answers.c.id),
            counted("answered", cast("sa.ColumnElement[int]", answers.c.annotator)),
        )
    ).one()
    return RoundStatus(
        name=row.name,
        state=cast("RoundState", row.state),
        platform=row.platform,
        project=row.project,
        n_tasks=totals[0],
        n_on_platform=totals[1],
        n_answered_tasks=counts[0],
        n_annotations=counts[1],
        n_skipped=counts[2],
        n_unreadable=counts[3],
        n_annotators=counts[4],
        label_names=tuple(row.label_names),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def round_tasks(connection: sa.Connection, row: sa.Row[Any]) -> list[RoundTask]:
    answered = (
        _current_of(row.id)
        .where(answers.c.status == "answered")
        .with_only_columns(answers.c.task_id, sa.func.count().label("n"))
        .group_by(answers.c.task_id)
        .subquery()
    )
    query = (
        sa.select(tasks, sa.func.coalesce(answered.c.n, 0).label("n_answers"))
        .select_from(tasks.outerjoin(answered, answered.c.task_id == tasks.c.id))
        .where(tasks.c.round_id == row.id)
        .order_by(tasks.c.push_order)
    )
    return [
        RoundTask(
            key=task_key(row.uid, task.example_key),
            example=decode(task.example_key, row.dtypes),
            task_id=task.platform_task_id,
            inclusion_probability=task.inclusion_probability,
            stratum=task.stratum,
            n_answers=task.n_answers,
        )
        for task in connection.execute(query)
    ]
