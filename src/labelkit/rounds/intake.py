"""Taking answers in: every version is kept, the current one is marked.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from labelkit.rounds import store
from labelkit.rounds.platform import HumanAnswer, TaskAnswers
from labelkit.rounds.tables import answers


def take(
    connection: sa.Connection, row: sa.Row[Any], page: Sequence[TaskAnswers], counts: Counter[str]
) -> list[str]:
    """Store one page of answers; returns sentences on those that cannot be read."""
    prefix = store.task_key(row.uid, "")
    ours = [task for task in page if task.key.startswith(prefix)]
    keys = [task.key.removeprefix(prefix) for task in ours]
    ids = store.task_rows(connection, row.id, keys)
    known = current_versions(connection, list(ids.values()))
    seen: dict[tuple[int, str], set[str]] = {}
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
            _add_version(
                connection, (task_id, task.task_id), answer, label=label, previous=previous
            )
            counts["new" if previous is None else "changed"] += 1
            counts[answer.status] += 1
            if answer.problem:
                problems.append(f"{key}: {answer.problem}")
    for (task_id, answer_id), previous in known.items():
        place = (task_id, previous.platform_task_id)
        if place in seen and answer_id not in seen[place] and previous.status != "withdrawn":
            _withdraw(connection, previous)
            counts["withdrawn"] += 1
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


def _add_version(
    connection: sa.Connection,
    place: tuple[int, str],
    answer: HumanAnswer,
    *,
    label: int | None,
    previous: sa.Row[Any] | None,
) -> None:
    if previous is not None:
        _retire(connection, previous.id)
    row = {
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
        "pulled_at": store.now(),
    }
    connection.execute(sa.insert(answers), row)


def _withdraw(connection: sa.Connection, previous: sa.Row[Any]) -> None:
    """The annotation is gone from the platform: what it said stays as history."""
    _retire(connection, previous.id)
    row = {
        **{name: value for name, value in previous._mapping.items() if name != "id"},
        "version": previous.version + 1,
        "status": "withdrawn",
        "label": None,
        "content_hash": "",
        "pulled_at": store.now(),
    }
    connection.execute(sa.insert(answers), row)


def _retire(connection: sa.Connection, annotation_id: int) -> None:
    change = sa.update(answers).where(answers.c.id == annotation_id)
    connection.execute(change.values(is_current=False))
