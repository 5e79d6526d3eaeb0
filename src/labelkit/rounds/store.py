"""What is asked of the ledger's tables and written to them, one function a question.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened. Every function works in
the transaction it is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from labelkit.rounds.keys import decode
from labelkit.rounds.plan import PlannedTask
from labelkit.rounds.platform import TaskSpec
from labelkit.rounds.results import RoundState, RoundStatus, RoundTask
from labelkit.rounds.tables import annotators, answers, events, round_annotators, rounds, tasks

if TYPE_CHECKING:
    import polars as pl

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


def lock_rounds(connection: sa.Connection) -> None:
    """Until the end of the transaction, nobody else adds a round; others read on.

    On SQLite a writing transaction is that lock already.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE rounds IN SHARE ROW EXCLUSIVE MODE")


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
    set_round(connection, round_id, n_tasks=len(rows))


def insert_new(connection: sa.Connection, table: sa.Table, row: Mapping[str, object]) -> sa.Insert:
    """An insert that does nothing if the row is there, whoever has put it there meanwhile."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).values(row).on_conflict_do_nothing()
    return sqlite.insert(table).values(row).on_conflict_do_nothing()


def set_round(connection: sa.Connection, round_id: int, **values: object) -> None:
    change = sa.update(rounds).where(rounds.c.id == round_id)
    connection.execute(change.values(updated_at=now(), **values))


def task_key(uid: str, example_key: str) -> str:
    """The key that stands with the task on the platform: unique over rounds and projects."""
    return f"{uid}/{example_key}"


@dataclass(frozen=True)
class UnsentTask:
    """A task that the platform does not have, with its place in the ledger and in the push."""

    id: int
    push_order: int
    spec: TaskSpec


def unsent_tasks(
    connection: sa.Connection, row: sa.Row[Any], *, after: int, limit: int
) -> list[UnsentTask]:
    """The next tasks of a round that are not on the platform, in the order they are to be shown.

    Parameters
    ----------
    after : the ``push_order`` to go on behind; -1 begins
    """
    query = (
        sa.select(tasks)
        .where(
            tasks.c.round_id == row.id,
            tasks.c.platform_task_id.is_(None),
            tasks.c.push_order > after,
        )
        .order_by(tasks.c.push_order)
        .limit(limit)
    )
    return [
        UnsentTask(
            task.id,
            task.push_order,
            TaskSpec(
                key=task_key(row.uid, task.example_key),
                data=task.payload,
                soft_label=tuple(task.soft_label) if task.pre_annotated else None,
                model_version=task.model_version,
                priority=float(task.push_order),
            ),
        )
        for task in connection.execute(query)
    ]


def misplaced(
    connection: sa.Connection, row: sa.Row[Any], there: Mapping[str, str]
) -> dict[int, str | None]:
    """Tasks whose noted place is not where the platform has them: ledger's task id → true place.

    Parameters
    ----------
    there : key → the platform's task id, of all that it has
    """
    query = sa.select(tasks.c.id, tasks.c.example_key, tasks.c.platform_task_id).where(
        tasks.c.round_id == row.id
    )
    found = {}
    for id_, example_key, noted in connection.execute(query):
        place = there.get(task_key(row.uid, example_key))
        if place != noted:
            found[id_] = place
    return found


def place_tasks(connection: sa.Connection, round_id: int, places: Mapping[int, str | None]) -> None:
    """Note where tasks are on the platform, None where they are not on it any more."""
    if not places:
        return
    ids = list(places)
    n_before = _n_placed(connection, ids)
    change = (
        sa.update(tasks)
        .where(tasks.c.id == sa.bindparam("task"))
        .values(platform_task_id=sa.bindparam("place"))
    )
    connection.execute(change, [{"task": id_, "place": place} for id_, place in places.items()])
    gained = sum(place is not None for place in places.values()) - n_before
    count = sa.update(rounds).where(rounds.c.id == round_id)
    connection.execute(count.values(n_on_platform=rounds.c.n_on_platform + gained))


def _n_placed(connection: sa.Connection, ids: Sequence[int]) -> int:
    placed = 0
    for start in range(0, len(ids), CHUNK):
        query = sa.select(sa.func.count(tasks.c.platform_task_id)).where(
            tasks.c.id.in_(ids[start : start + CHUNK])
        )
        placed += connection.scalar(query) or 0
    return placed


def forget_places(connection: sa.Connection, round_id: int) -> None:
    """The round goes to another project: none of its tasks is there yet."""
    change = sa.update(tasks).where(
        tasks.c.round_id == round_id, tasks.c.platform_task_id.is_not(None)
    )
    connection.execute(change.values(platform_task_id=None))
    set_round(connection, round_id, n_on_platform=0, n_looked_through=None)


def n_in_project(connection: sa.Connection, row: sa.Row[Any]) -> int:
    """Tasks that the ledger has noted in the project of a round, over all rounds that share it."""
    query = sa.select(sa.func.sum(rounds.c.n_on_platform)).where(
        rounds.c.platform == row.platform, rounds.c.project == row.project
    )
    return int(connection.scalar(query) or 0)


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


def status(connection: sa.Connection, row: sa.Row[Any]) -> RoundStatus:
    """Where one round stands: its own row, and who has answered."""
    people = sa.select(sa.func.count()).where(
        round_annotators.c.round_id == row.id, round_annotators.c.n_annotations > 0
    )
    return RoundStatus(
        name=row.name,
        state=cast("RoundState", row.state),
        platform=row.platform,
        project=row.project,
        n_tasks=row.n_tasks,
        n_on_platform=row.n_on_platform,
        n_answered_tasks=row.n_answered_tasks,
        n_annotations=row.n_annotations,
        n_skipped=row.n_skipped,
        n_unreadable=row.n_unreadable,
        n_annotators=connection.scalar(people) or 0,
        label_names=tuple(row.label_names),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def round_tasks(connection: sa.Connection, row: sa.Row[Any]) -> list[RoundTask]:
    answered = (
        sa.select(answers.c.task_id, sa.func.count().label("n"))
        .select_from(answers.join(tasks, answers.c.task_id == tasks.c.id))
        .where(
            tasks.c.round_id == row.id,
            answers.c.is_current.is_(True),
            answers.c.status == "answered",
        )
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


def event_log(connection: sa.Connection, *, round: str | None) -> pl.DataFrame:
    """The events of one round or of all, oldest first."""
    import polars as pl

    query = (
        sa.select(events.c.id, events.c.at, rounds.c.name, events.c.kind, events.c.detail)
        .select_from(events.join(rounds, events.c.round_id == rounds.c.id))
        .order_by(events.c.id)
    )
    if round is not None:
        query = query.where(rounds.c.name == round)
    return pl.DataFrame(
        [(id_, at, name, kind, json.dumps(detail)) for id_, at, name, kind, detail
         in connection.execute(query)],
        schema={
            "id": pl.Int64, "at": pl.Datetime("us", "UTC"), "round": pl.String,
            "kind": pl.String, "detail": pl.String,
        },
        orient="row",
    )  # fmt: skip


def annotator_table(connection: sa.Connection) -> pl.DataFrame:
    """Everybody who has answered, in the order in which they were first seen."""
    import polars as pl

    counted = (
        sa.select(
            round_annotators.c.annotator, sa.func.sum(round_annotators.c.n_annotations).label("n")
        )
        .group_by(round_annotators.c.annotator)
        .subquery()
    )
    query = (
        sa.select(annotators.c.name, annotators.c.first_seen_at, sa.func.coalesce(counted.c.n, 0))
        .select_from(annotators.outerjoin(counted, counted.c.annotator == annotators.c.name))
        .order_by(annotators.c.id)
    )
    return pl.DataFrame(
        [tuple(row) for row in connection.execute(query)],
        schema={
            "annotator": pl.String,
            "first_seen_at": pl.Datetime("us", "UTC"),
            "n_annotations": pl.Int64,
        },
        orient="row",
    )
