"""Batches that have left, or were about to: written down before, and struck off after.

What is open here after its sender is gone is in doubt: it may have arrived, be under way, or never
have left. Only that is: a batch that is not written down was not sent.

Imports SQLAlchemy, so it is itself imported only when something is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from labelkit.rounds import store
from labelkit.rounds.tables import sends, tasks

Outcome = Literal["done", "found", "lost", "void"]


@dataclass(frozen=True)
class OpenSend:
    """A batch of which the ledger does not know whether it arrived.

    Parameters
    ----------
    missing : the ledger's ids of those of its tasks that are not seen on the platform
    """

    id: int
    started_at: datetime
    missing: tuple[int, ...]


def begin(
    connection: sa.Connection,
    round_id: int,
    *,
    project: str,
    task_ids: Sequence[int],
    now: datetime,
) -> int:
    """Write down that these tasks are about to leave; returns the number of the send."""
    row = {
        "round_id": round_id,
        "project": project,
        "task_ids": list(task_ids),
        "started_at": now,
    }
    inserted = connection.execute(sa.insert(sends).returning(sends.c.id), row)
    number: int = inserted.scalar_one()
    return number


def end(connection: sa.Connection, ids: Sequence[int], outcome: Outcome) -> None:
    """Strike sends off."""
    change = sa.update(sends).where(sends.c.id.in_(ids))
    connection.execute(change.values(ended_at=store.now(), outcome=outcome))


def void(connection: sa.Connection, round_id: int) -> None:
    """What was sent went to a project that the round has left."""
    change = sa.update(sends).where(sends.c.round_id == round_id, sends.c.ended_at.is_(None))
    connection.execute(change.values(ended_at=store.now(), outcome="void"))


def still_open(connection: sa.Connection, round_id: int) -> list[OpenSend]:
    """The round's open sends, oldest first."""
    query = (
        sa.select(sends)
        .where(sends.c.round_id == round_id, sends.c.ended_at.is_(None))
        .order_by(sends.c.id)
    )
    found = []
    for row in connection.execute(query).all():
        missing: list[int] = []
        for start in range(0, len(row.task_ids), store.CHUNK):
            part = row.task_ids[start : start + store.CHUNK]
            unseen = sa.select(tasks.c.id).where(
                tasks.c.id.in_(part), tasks.c.platform_task_id.is_(None)
            )
            missing += connection.scalars(unseen)
        found.append(OpenSend(row.id, row.started_at, tuple(missing)))
    return found
