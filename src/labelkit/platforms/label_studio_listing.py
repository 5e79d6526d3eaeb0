"""Which tasks of a Label Studio project are asked for: filters, order, pages.

Measured on label-studio 1.23.2 with SQLite and 100,000 tasks, three of them answered: each of the
filters below is answered in about half a second; a listing of all keys takes minutes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from labelkit.platforms.exchange import task_key_of, when
from labelkit.platforms.label_studio_calls import Client, Server

# A page costs about a second whatever its size, and one of keys is small.
_PAGE_OF_KEYS = 2000
_PAGE_OF_ANSWERS = 500
# A transaction that was open while we looked may carry an earlier time than those we saw.
_OVERLAP = timedelta(seconds=10)


def pages_of_keys(server: Server, project: str, *, newest_first: bool = False) -> Iterator[Any]:
    """All tasks with ``id`` and ``data``, in pages."""
    order = "-tasks:id" if newest_first else "tasks:id"
    query = json.dumps({"ordering": [order]})
    yield from _pages(
        server,
        project,
        then="push",
        page_size=_PAGE_OF_KEYS,
        query=query,
        include="id,data",
        fields="task_only",
    )


def newest_of(server: Server, project: str, keys: Collection[str]) -> dict[str, str]:
    """Key → task id of those of ``keys`` that are among the newest tasks of the project.

    What one call has just created is found in the first page, however large the project is.
    """
    found: dict[str, str] = {}
    enough = 4 * max(len(keys), _PAGE_OF_KEYS)
    n_seen = 0
    for page in pages_of_keys(server, project, newest_first=True):
        for task in page:
            key = task_key_of({"data": task.data})
            if key in keys:
                # The oldest of several copies is the one that every process agrees on.
                found[str(key)] = str(task.id)
        n_seen += len(page)
        if len(found) == len(keys) or n_seen >= enough:
            break
    return found


def last_touch(server: Server, project: str) -> str | None:
    """The time of the last change that a person made, less a little; None if there was none.

    It is the server's clock, not ours.
    """
    query = json.dumps({"filters": _any_of(_touched()), "ordering": ["-tasks:updated_at"]})
    latest = server.ask(
        "list tasks",
        lambda sdk: (
            sdk.tasks.list(
                project=int(project), page_size=1, query=query, include="id,updated_at"
            ).items
        ),
        then="pull",
        project=project,
    )
    seen = when(latest[0].updated_at) if latest else None
    return None if seen is None else _stamp(seen - _OVERLAP)


def pages_of_answers(server: Server, project: str, *, since: str | None) -> Iterator[list[Any]]:
    """Tasks with their annotations: all that have one, or that a person changed after ``since``."""
    wanted = _touched()
    if since is None:
        # Nothing is known yet: whatever has an annotation or a skip is news.
        wanted = wanted[1:]
    else:
        # Not `updated_at` alone: what was imported in the last seconds would come with every pull.
        later = _filter("updated_at", "greater", "Datetime", since)
        wanted = [{**later, "child_filter": touched} for touched in wanted]
    query = {"filters": _any_of(wanted), "ordering": ["tasks:id"]}
    yield from _pages(
        server,
        project,
        then="pull",
        page_size=_PAGE_OF_ANSWERS,
        query=json.dumps(query),
        fields="all",
    )


def _touched() -> list[dict[str, object]]:
    """Whatever a person did to a task; an import leaves no trace in any of the three.

    ``updated_by`` is what is left of an annotation that was deleted; it is empty again if that
    user's account is deleted, which the counts are then there for.
    """
    return [
        _filter("updated_by", "empty", "List", False),
        _filter("total_annotations", "greater", "Number", 0),
        _filter("cancelled_annotations", "greater", "Number", 0),
    ]


def _filter(column: str, operator: str, kind: str, value: object) -> dict[str, object]:
    name = f"filter:tasks:{column}"
    return {"filter": name, "operator": operator, "type": kind, "value": value}


def _any_of(items: list[dict[str, object]]) -> dict[str, object]:
    return {"conjunction": "or", "items": items}


def _stamp(time: datetime) -> str:
    """The Data Manager takes times in exactly this form, and answers 500 to any other."""
    return f"{time:%Y-%m-%dT%H:%M:%S.%fZ}"


def _pages(
    server: Server, project: str, *, then: str, page_size: int, **query: Any
) -> Iterator[list[Any]]:
    def listed(sdk: Client) -> list[Any]:
        answer = sdk.tasks.list(project=int(project), page=page, page_size=page_size, **query)
        found: list[Any] = answer.items or []
        return found

    page = 1
    while True:
        tasks: list[Any] = server.ask(
            "list tasks",
            listed,
            then=then,
            project=project,
            # "Not found" is how Label Studio says that there is no such page.
            past_the_end=[] if page > 1 else None,
        )
        if tasks:
            yield tasks
        if len(tasks) < page_size:
            return
        page += 1


def keys_in(page: Collection[Any]) -> Mapping[str, str]:
    """Key → task id of one page; a key that stands there twice has the first id."""
    found: dict[str, str] = {}
    for task in page:
        key = task_key_of({"data": task.data})
        if key is not None:
            found.setdefault(key, str(task.id))
    return found
