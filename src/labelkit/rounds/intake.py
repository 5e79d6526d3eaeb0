"""Taking answers in: every version is kept, the current one is marked.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import sqlalchemy as sa

from labelkit.rounds import counters, store
from labelkit.rounds.platform import HumanAnswer, TaskAnswers
from labelkit.rounds.tables import answers

# One row of the table, as SQLAlchemy takes it.
_Row: TypeAlias = dict[str, Any]


def take(
    connection: sa.Connection, row: sa.Row[Any], page: Sequence[TaskAnswers], counts: Counter[str]
) -> list[str]:
    """Store one page of answers; returns sentences on those that cannot be read.

    The caller has locked the round, ``row``: two that read the same page take it in one after the
    other, and the second finds nothing new.
    """
    prefix = store.task_key(row.uid, "")
    ours = [task for task in page if task.key.startswith(prefix)]
    keys = [task.key.removeprefix(prefix) for task in ours]
    ids = store.task_rows(connection, row.id, keys)
    task_ids = list(ids.values())
    known = current_versions(connection, task_ids)
    seen: dict[tuple[int, str], set[str]] = {}
    new: list[_Row] = []
    problems = []
    for task, key in zip(ours, keys, strict=True):
        if key not in ids:
            continue
        task_id = ids[key]
        # A task that stands twice on the platform is one task here: its answers add up.
        seen[task_id, task.task_id] = {answer.id for answer in task.answers}
        for answer in (_checked(answer, row.label_names) for answer in task.answers):
            previous = known.get((task_id, answer.id))
            if previous is not None and previous.content_hash == content_hash(answer):
                continue
            readable = answer.status == "answered"
            label = row.label_names.index(answer.label_name) if readable else None
            new.append(_version((task_id, task.task_id), answer, label=label, previous=previous))
            counts["new" if previous is None else "changed"] += 1
            counts[answer.status] += 1
            if answer.problem:
                problems.append(f"{key}: {answer.problem}")
    for (task_id, answer_id), previous in known.items():
        place = (task_id, previous.platform_task_id)
        if place in seen and answer_id not in seen[place] and previous.status != "withdrawn":
            new.append(_withdrawn(previous))
            counts["withdrawn"] += 1
    if new:
        with counters.counted(connection, row.id, sorted({version["task_id"] for version in new})):
            _add_versions(connection, new, known)
        counters.meet(connection, [version["annotator"] for version in new])
    counts["foreign"] += len(page) - len(ids)
    counts["tasks"] += len(page)
    return problems


def _checked(answer: HumanAnswer, label_names: Sequence[str]) -> HumanAnswer:
    if answer.status != "answered" or answer.label_name in label_names:
        return answer
    problem = (
        f"the answer {answer.label_name!r} of annotator {answer.annotator} is none of the round's "
        f"labels {', '.join(label_names)}"
    )
    return replace(answer, label_name=None, status="unreadable", problem=problem)


def current_versions(
    connection: sa.Connection, task_ids: Sequence[int]
) -> dict[tuple[int, str], sa.Row[Any]]:
    """(task, platform's annotation id) → its current version, of these tasks."""
    found: dict[tuple[int, str], sa.Row[Any]] = {}
    for start in range(0, len(task_ids), store.CHUNK):
        part = task_ids[start : start + store.CHUNK]
        query = sa.select(answers).where(
            answers.c.task_id.in_(part), answers.c.is_current.is_(True)
        )
        found.update(((row.task_id, row.platform_id), row) for row in connection.execute(query))
    return found


def content_hash(answer: HumanAnswer) -> str:
    """What makes a version: the same answer given again is not a change."""
    said = [answer.status, answer.annotator, answer.label_name, answer.problem]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _version(
    place: tuple[int, str],
    answer: HumanAnswer,
    *,
    label: int | None,
    previous: sa.Row[Any] | None,
) -> _Row:
    return {
        "task_id": place[0],
        "platform_task_id": place[1],
        "platform_id": answer.id,
        "version": 1 if previous is None else previous.version + 1,
        "is_current": True,
        "status": answer.status,
        "annotator": answer.annotator,
        "label": label,
        "lead_time_s": answer.lead_time_s,
        "created_at": answer.created_at,
        "updated_at": answer.updated_at,
        "content_hash": content_hash(answer),
        "raw": answer.raw,
        "comment": answer.comment,
        "pulled_at": store.now(),
    }


def _withdrawn(previous: sa.Row[Any]) -> _Row:
    """The annotation is gone from the platform: what it said stays as history."""
    return {
        **{name: value for name, value in previous._mapping.items() if name != "id"},
        "version": previous.version + 1,
        "status": "withdrawn",
        "label": None,
        "content_hash": "",
        "pulled_at": store.now(),
    }


def _add_versions(
    connection: sa.Connection,
    new: Sequence[_Row],
    known: Mapping[tuple[int, str], sa.Row[Any]],
) -> None:
    """Write new versions, after the ones that they replace have ceased to count."""
    places = [(version["task_id"], version["platform_id"]) for version in new]
    retired = [{"retired": known[place].id} for place in places if place in known]
    if retired:
        change = sa.update(answers).where(answers.c.id == sa.bindparam("retired"))
        connection.execute(change.values(is_current=False), retired)
    connection.execute(sa.insert(answers), list(new))
