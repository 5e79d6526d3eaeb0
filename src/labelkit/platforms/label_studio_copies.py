"""Tasks that stand in a Label Studio project twice, and how they come to stand there once.

Label Studio takes no key with an import: one that was sent, given up and sent again may land twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from labelkit.platforms.exchange import task_key_of

# What makes a call to the server: given what it is in words, and what to do with the SDK's client.
Ask: TypeAlias = Callable[[str, Callable[[Any], Any]], Any]

_PAGE = 500
_TOUCHED = ("total_annotations", "cancelled_annotations", "drafts")


@dataclass(frozen=True)
class _Standing:
    """A task of the project, and whether somebody has answered, skipped or begun it."""

    id: int
    touched: bool


def n_tasks(ask: Ask, project: str) -> int:
    """How many tasks the project holds."""
    found = ask("open the project", lambda sdk: sdk.projects.get(int(project)))
    return int(found.task_number or 0)


def remove_copies(ask: Ask, project: str) -> Mapping[str, tuple[str, int]]:
    """See ``labelkit.rounds.platform.RemovesCopies``."""
    standing: dict[str, list[_Standing]] = {}
    for task in _all_tasks(ask, project):
        key = task_key_of({"data": task.data})
        if key is not None:
            touched = any(getattr(task, name, None) for name in _TOUCHED)
            standing.setdefault(key, []).append(_Standing(int(task.id), touched))
    twice = {key: tasks for key, tasks in standing.items() if len(tasks) > 1}
    surplus = {key: _surplus(tasks) for key, tasks in twice.items()}
    removed = set(_delete(ask, project, [id_ for ids in surplus.values() for id_ in ids]))
    return {
        key: (
            str(min(task.id for task in tasks if task.id not in removed)),
            sum(task.id in removed for task in tasks),
        )
        for key, tasks in twice.items()
    }


def _surplus(tasks: Sequence[_Standing]) -> list[int]:
    """The ids that nobody will miss: the untouched, less the lowest if none is touched."""
    untouched = sorted(task.id for task in tasks if not task.touched)
    return untouched if any(task.touched for task in tasks) else untouched[1:]


def _delete(ask: Ask, project: str, ids: Sequence[int]) -> list[int]:
    """Delete tasks, except those that somebody has answered or skipped meanwhile.

    The server itself looks, in the call that deletes: between our look and its deed no answer is
    lost. What was begun and not handed in (a draft) it cannot filter by; we have looked for it.
    """
    nobody = [
        {"filter": f"filter:tasks:{name}", "operator": "equal", "type": "Number", "value": 0}
        for name in ("total_annotations", "cancelled_annotations")
    ]
    for start in range(0, len(ids), _PAGE):
        request = {
            "id": "delete_tasks",
            "project": int(project),
            "filters": {"conjunction": "and", "items": nobody},
            "selected_items": {"all": False, "included": list(ids[start : start + _PAGE])},
        }
        ask("delete copies of tasks", partial(_act, request=request))
    if not ids:
        return []
    left = {int(task.id) for task in _all_tasks(ask, project)}
    return [id_ for id_ in ids if id_ not in left]


def _all_tasks(ask: Ask, project: str) -> list[Any]:
    found: list[Any] = []
    page = 1
    columns = ",".join(("id", "data", *_TOUCHED))
    while True:
        tasks = ask("list tasks", partial(_page, project=project, page=page, columns=columns))
        found += tasks
        if len(tasks) < _PAGE:
            return found
        page += 1


def _act(sdk: Any, request: Mapping[str, Any]) -> None:
    sdk.actions.create(**request)


def _page(sdk: Any, project: str, page: int, columns: str) -> list[Any]:
    from label_studio_sdk.core.api_error import ApiError

    try:
        listed = sdk.tasks.list(
            project=int(project), page=page, page_size=_PAGE, include=columns, fields="task_only"
        )
    except ApiError as error:
        # "Not found" is how Label Studio says that there is no such page.
        if error.status_code == 404 and page > 1:
            return []
        raise
    return list(listed.items or [])
