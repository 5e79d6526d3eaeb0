"""Rounds as files: for work without a server, for hand-off by mail, and for the demo.

::

    <directory>/<round>/project.json          the round's mark, title and labels
                        labeling_config.xml   the interface, for import into any Label Studio
                        tasks.json            the tasks, in Label Studio's import format
                        annotations.csv       a sheet to fill in: key, label, annotator, texts
                        annotations*.json     answers, in Label Studio's export format

Answers are read from every ``annotations*.json`` and ``annotations*.csv`` in the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from labelkit.errors import PlatformError
from labelkit.files import write_text
from labelkit.platforms import sheet
from labelkit.platforms.exchange import (
    choice_result,
    human_answer,
    task_json,
    task_key_of,
)
from labelkit.platforms.labeling_config import labeling_config
from labelkit.platforms.scripted import ScriptedAnswer
from labelkit.rounds.platform import HumanAnswer, ProjectSpec, TaskAnswers, TaskSpec


class FilesPlatform:
    """An annotation platform that is a folder.

    Parameters
    ----------
    directory : folder that holds one folder per round; made when the first round is pushed
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def __repr__(self) -> str:
        return f"FilesPlatform({str(self.directory)!r})"

    @property
    def kind(self) -> str:
        return "files"

    def folder(self, project: str) -> Path:
        """Where the files of a project are."""
        return self.directory / project

    def ensure_project(self, spec: ProjectSpec, *, project: str | None = None) -> str:
        slug = re.sub(r"[^\w-]+", "-", spec.title).strip("-").lower() or "round"
        name = slug if project is None else project
        if project is None and self._mark(name) not in (None, spec.uid):
            name = f"{slug}-{spec.uid}"
        mark = self._mark(name)
        if project is not None and mark is None:
            raise PlatformError(
                f"The folder {self.folder(project)} of this round is gone. Put it back, or push "
                "with recreate=True to write it anew (answers in the ledger are kept)."
            )
        if mark is not None and mark != spec.uid:
            raise PlatformError(f"The folder {self.folder(name)} belongs to another round.")
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
            write_text(self.folder(name) / "labeling_config.xml", labeling_config(spec) + "\n")
            write_text(self.folder(name) / "project.json", _dump(about))
        return name

    def existing_keys(self, project: str) -> Mapping[str, str]:
        keys = (task_key_of(task) for task in self._tasks(project))
        made = self._about(project, "made")
        return {key: f"{made}/{key}" for key in keys if key is not None}

    def push(self, project: str, spec: ProjectSpec, tasks: Sequence[TaskSpec]) -> Mapping[str, str]:
        there = self._tasks(project)
        known = {task_key_of(task) for task in there}
        new = [task for task in tasks if task.key not in known]
        path = self.folder(project) / "annotations.csv"
        # The sheet first: if we are stopped in between, the tasks still count as not sent.
        sheet.extend(path, spec, new)
        write_text(
            self.folder(project) / "tasks.json",
            _dump([*there, *(task_json(spec, task) for task in new)]),
        )
        made = self._about(project, "made")
        return {task.key: f"{made}/{task.key}" for task in tasks}

    def cursor(self, project: str) -> str | None:
        return None

    def answers(self, project: str, *, since: str | None = None) -> Iterator[Sequence[TaskAnswers]]:
        folder = self.folder(project)
        self._tasks(project)
        found: dict[str, dict[str, HumanAnswer]] = {}
        for path in sorted(folder.glob("annotations*.json")):
            for key, answers in _from_export(path):
                _merge(found.setdefault(key, {}), answers)
        for path in sorted(folder.glob("annotations*.csv")):
            for key, answer in sheet.read(path):
                _merge(found.setdefault(key, {}), [] if answer is None else [answer])
        made = self._about(project, "made")
        yield [
            TaskAnswers(key, f"{made}/{key}", tuple(answers.values()))
            for key, answers in found.items()
        ]

    def submit(
        self, project: str, spec: ProjectSpec, answers: Sequence[ScriptedAnswer], *, annotator: str
    ) -> None:
        """Write a script's answers as an export (see ``ScriptedAnnotator``)."""
        name = hashlib.sha256(annotator.encode()).hexdigest()[:8]
        path = self.folder(project) / f"annotations-{name}.json"
        there = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        time = datetime.now(UTC).isoformat()
        new = [
            {
                "data": {"labelkit_key": answer.key},
                "annotations": [
                    {
                        "id": f"{annotator}/{answer.key}",
                        "completed_by": {"email": annotator},
                        "result": choice_result(spec, answer.label_name),
                        "was_cancelled": False,
                        "created_at": time,
                        "updated_at": time,
                    }
                ],
            }
            for answer in answers
        ]
        write_text(path, _dump([*there, *new]))

    def _mark(self, project: str) -> str | None:
        return self._about(project, "uid")

    def _about(self, project: str, what: str) -> str | None:
        path = self.folder(project) / "project.json"
        if not path.exists():
            return None
        value: str | None = _load(path).get(what)
        return value

    def _tasks(self, project: str) -> list[dict[str, Any]]:
        if self._mark(project) is None:
            raise PlatformError(
                f"The folder {self.folder(project)} of this round is gone. Put it back, or push "
                "with recreate=True to write it anew (answers in the ledger are kept)."
            )
        path = self.folder(project) / "tasks.json"
        tasks: list[dict[str, Any]] = _load(path) if path.exists() else []
        return tasks


def _from_export(path: Path) -> Iterator[tuple[str, list[HumanAnswer]]]:
    records = _load(path)
    if not isinstance(records, list):
        raise PlatformError(f"{path} is not a Label Studio export: it must hold a JSON list.")
    for record in records:
        key = task_key_of(record) if isinstance(record, Mapping) else None
        annotations = record.get("annotations") if key is not None else None
        if key is None or not isinstance(annotations, list):
            raise PlatformError(
                f"{path} is not a Label Studio JSON export of this round's tasks: a record lacks "
                "'annotations' or 'labelkit_key' in its 'data'. Export as JSON, not as JSON-MIN."
            )
        yield key, [human_answer(a, annotator=_who(a)) for a in annotations]


def _who(annotation: Mapping[str, Any]) -> str:
    person = annotation.get("completed_by")
    if isinstance(person, Mapping):
        person = person.get("email") or person.get("id")
    return "unknown" if person is None else str(person)


def _merge(there: dict[str, HumanAnswer], new: Sequence[HumanAnswer]) -> None:
    """Of one annotation in several exports, the latest counts."""
    for answer in new:
        old = there.get(answer.id)
        if old is None or (answer.updated_at or _EPOCH) >= (old.updated_at or _EPOCH):
            there[answer.id] = answer


_EPOCH = datetime.fromtimestamp(0, UTC)


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise PlatformError(f"{path} is not JSON: {error}.") from None


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
