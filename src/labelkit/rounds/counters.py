"""The counts that a status shows, kept by what each step changes.

A round of a million tasks tells where it stands from one row. Whoever changes tasks or answers
counts the few that are touched before and after, in the same transaction and with the round's row
locked, and adds the difference.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from labelkit.rounds import store
from labelkit.rounds.tables import annotators, answers, round_annotators, rounds, tasks

_OF_STATUS = {
    "answered": "n_annotations",
    "skipped": "n_skipped",
    "unreadable": "n_unreadable",
}


@contextmanager
def counted(connection: sa.Connection, round_id: int, task_ids: Sequence[int]) -> Iterator[None]:
    """Whatever the block changes about the answers to these tasks is counted."""
    before, by_before = _tally(connection, task_ids)
    yield
    after, by_after = _tally(connection, task_ids)
    add(connection, round_id, _difference(after, before))
    _add_annotators(connection, round_id, _difference(by_after, by_before))


def add(connection: sa.Connection, round_id: int, changes: dict[str, int]) -> None:
    """Add to the counts of a round, by their column."""
    if changes:
        values = {name: rounds.c[name] + n for name, n in changes.items()}
        connection.execute(sa.update(rounds).where(rounds.c.id == round_id).values(values))


def recounted(connection: sa.Connection, round_id: int) -> dict[str, int]:
    """The same counts from the tasks and answers themselves: what they must be."""
    of_round = tasks.c.round_id == round_id
    ids = connection.scalars(sa.select(tasks.c.id).where(of_round)).all()
    on_platform = sa.select(sa.func.count(tasks.c.platform_task_id)).where(of_round)
    tally, _ = _tally(connection, ids)
    columns = ("n_answered_tasks", *_OF_STATUS.values())
    return {
        "n_tasks": len(ids),
        "n_on_platform": int(connection.scalar(on_platform) or 0),
        **{name: tally[name] for name in columns},
    }


def _tally(connection: sa.Connection, task_ids: Sequence[int]) -> tuple[Counter[str], Counter[str]]:
    """Counts over these tasks by column of ``rounds``, and answers by annotator."""
    total: Counter[str] = Counter()
    by_annotator: Counter[str] = Counter()
    for start in range(0, len(task_ids), store.CHUNK):
        query = sa.select(answers.c.task_id, answers.c.annotator, answers.c.status).where(
            answers.c.task_id.in_(task_ids[start : start + store.CHUNK]),
            answers.c.is_current.is_(True),
        )
        answered: set[int] = set()
        for task_id, annotator, status in connection.execute(query):
            if status == "answered":
                answered.add(task_id)
                by_annotator[annotator] += 1
            if status in _OF_STATUS:
                total[_OF_STATUS[status]] += 1
        total["n_answered_tasks"] += len(answered)
    return total, by_annotator


def _difference(after: Counter[str], before: Counter[str]) -> dict[str, int]:
    return {
        name: after[name] - before[name]
        for name in sorted(after.keys() | before.keys())
        if after[name] != before[name]
    }


def _add_annotators(connection: sa.Connection, round_id: int, changes: dict[str, int]) -> None:
    if not changes:
        return
    of_round = round_annotators.c.round_id == round_id
    known = set(connection.scalars(sa.select(round_annotators.c.annotator).where(of_round)))
    new = [
        {"round_id": round_id, "annotator": name, "n_annotations": n}
        for name, n in changes.items()
        if name not in known
    ]
    if new:
        connection.execute(sa.insert(round_annotators), new)
    more = [{"who": name, "more": n} for name, n in changes.items() if name in known]
    if more:
        change = sa.update(round_annotators).where(
            of_round, round_annotators.c.annotator == sa.bindparam("who")
        )
        n_annotations = round_annotators.c.n_annotations + sa.bindparam("more")
        connection.execute(change.values(n_annotations=n_annotations), more)


def meet(connection: sa.Connection, names: Iterable[str]) -> None:
    """Note annotators who were not seen before."""
    wanted = sorted(set(names))
    for start in range(0, len(wanted), store.CHUNK):
        part = wanted[start : start + store.CHUNK]
        query = sa.select(annotators.c.name).where(annotators.c.name.in_(part))
        known = set(connection.scalars(query))
        for name in part:
            if name not in known:
                # Another round may meet the same person in the same moment.
                row = {"name": name, "first_seen_at": store.now()}
                connection.execute(store.insert_new(connection, annotators, row))
