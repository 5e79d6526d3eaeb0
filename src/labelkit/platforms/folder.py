"""Folders as projects: what every platform that works with files keeps on disk.

::

    <directory>/<round>/project.json          the round's mark, title and labels
                        labeling_config.xml   the interface, for import into any Label Studio
                        tasks.json            the tasks, in Label Studio's import format
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from labelkit.errors import PlatformError
from labelkit.files import write_text
from labelkit.platforms.exchange import Json, task_json, task_key_of
from labelkit.platforms.labeling_config import labeling_config
from labelkit.rounds.platform import ProjectSpec, TaskSpec

# The ledger keeps 500 characters of an id, and a key may hold a whole text.
_LONGEST_KEY = 400


class Folders:
    """One folder per round, each found again by the mark in its ``project.json``.

    Parameters
    ----------
    directory : folder that holds them; made when the first round is pushed
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def path(self, project: str) -> Path:
        """Where the files of a project are."""
        return self.directory / project

    def ensure(self, spec: ProjectSpec, *, project: str | None) -> str:
        """Name of the folder of ``spec``, made if it is not there.

        Raises
        ------
        PlatformError
            ``project`` is given and gone, or belongs to another round.
        """
        slug = re.sub(r"[^\w-]+", "-", spec.title).strip("-").lower() or "round"
        name = slug if project is None else project
        if project is None and self._about(name, "uid") not in (None, spec.uid):
            name = f"{slug}-{spec.uid}"
        mark = self._about(name, "uid")
        if project is not None and mark is None:
            raise self._gone(project)
        if mark is not None and mark != spec.uid:
            raise PlatformError(f"The folder {self.path(name)} belongs to another round.")
        if mark is None:
            about = {
                "uid": spec.uid,
                # A folder that was lost and written anew has other tasks: its empty sheet must not
                # read as if everybody had taken their answers back.
                "made": uuid4().hex[:8],
                "title": spec.title,
                "label_names": list(spec.label_names),
                "instructions": spec.instructions,
            }
            write_text(self.path(name) / "labeling_config.xml", labeling_config(spec) + "\n")
            write_text(self.path(name) / "project.json", dump_json(about))
        return name

    def made(self, project: str) -> str:
        """A mark of this very folder: another one, of the same round, has another."""
        self._require(project)
        return str(self._about(project, "made"))

    def uid(self, project: str) -> str:
        """The mark of the round that the folder belongs to."""
        self._require(project)
        return str(self._about(project, "uid"))

    def task_ids(self, project: str, keys: Sequence[str]) -> dict[str, str]:
        """Task key → the id by which the task is known in this folder."""
        made = self.made(project)
        return {key: f"{made}/{_short(key)}" for key in keys}

    def existing_keys(self, project: str) -> Mapping[str, str]:
        """Task key → task id, of all tasks in the folder."""
        keys = (task_key_of(task) for task in self.tasks(project))
        return self.task_ids(project, [key for key in keys if key is not None])

    def tasks(self, project: str) -> list[Json]:
        """The tasks in the folder, in Label Studio's import format."""
        self._require(project)
        path = self.path(project) / "tasks.json"
        tasks: list[Json] = load_json(path) if path.exists() else []
        return tasks

    def with_new(self, project: str, spec: ProjectSpec, tasks: Sequence[TaskSpec]) -> list[Json]:
        """The tasks in the folder and behind them those of ``tasks`` that it lacks."""
        there = self.tasks(project)
        known = {task_key_of(task) for task in there}
        return [*there, *(task_json(spec, task) for task in tasks if task.key not in known)]

    def write_tasks(self, project: str, tasks: Sequence[Json]) -> None:
        write_text(self.path(project) / "tasks.json", dump_json(tasks))

    def _require(self, project: str) -> None:
        if self._about(project, "uid") is None:
            raise self._gone(project)

    def _gone(self, project: str) -> PlatformError:
        return PlatformError(
            f"The folder {self.path(project)} of this round is gone. Put it back, or push "
            "with recreate=True to write it anew (answers in the ledger are kept)."
        )

    def _about(self, project: str, what: str) -> str | None:
        path = self.path(project) / "project.json"
        if not path.exists():
            return None
        value: str | None = load_json(path).get(what)
        return value


def load_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises
    ------
    PlatformError
        It is not JSON; the message names the file.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PlatformError(f"{path} is not JSON: {error}.") from None


def dump_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _short(key: str) -> str:
    if len(key) <= _LONGEST_KEY:
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
