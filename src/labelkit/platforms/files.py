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
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labelkit.errors import PlatformError
from labelkit.files import write_text
from labelkit.platforms import sheet
from labelkit.platforms.exchange import (
    choice_result,
    human_answer,
    task_key_of,
)
from labelkit.platforms.folder import Folders, dump_json, load_json
from labelkit.platforms.scripted import ScriptedAnswer
from labelkit.rounds.platform import HumanAnswer, ProjectSpec, TaskAnswers, TaskSpec


class FilesPlatform:
    """An annotation platform that is a folder.

    Parameters
    ----------
    directory : folder that holds one folder per round; made when the first round is pushed
    """

    def __init__(self, directory: str | Path) -> None:
        self._folders = Folders(directory)

    def __repr__(self) -> str:
        return f"FilesPlatform({str(self.directory)!r})"

    @property
    def directory(self) -> Path:
        return self._folders.directory

    @property
    def kind(self) -> str:
        return "files"

    def folder(self, project: str) -> Path:
        """Where the files of a project are."""
        return self._folders.path(project)

    def ensure_project(self, spec: ProjectSpec, *, project: str | None = None) -> str:
        return self._folders.ensure(spec, project=project)

    def existing_keys(self, project: str) -> Mapping[str, str]:
        return self._folders.existing_keys(project)

    def push(self, project: str, spec: ProjectSpec, tasks: Sequence[TaskSpec]) -> Mapping[str, str]:
        records = self._folders.with_new(project, spec, tasks)
        # The sheet first: if we are stopped in between, the tasks still count as not sent.
        sheet.extend(self.folder(project) / "annotations.csv", spec, tasks)
        self._folders.write_tasks(project, records)
        return self._folders.task_ids(project, [task.key for task in tasks])

    def cursor(self, project: str) -> str | None:
        return None

    def answers(self, project: str, *, since: str | None = None) -> Iterator[Sequence[TaskAnswers]]:
        folder = self.folder(project)
        self._folders.tasks(project)
        found: dict[str, dict[str, HumanAnswer]] = {}
        for path in sorted(folder.glob("annotations*.json")):
            for key, answers in _from_export(path):
                _merge(found.setdefault(key, {}), answers)
        for path in sorted(folder.glob("annotations*.csv")):
            for key, answer in sheet.read(path):
                _merge(found.setdefault(key, {}), [] if answer is None else [answer])
        ids = self._folders.task_ids(project, list(found))
        yield [
            TaskAnswers(key, ids[key], tuple(answers.values())) for key, answers in found.items()
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
        write_text(path, dump_json([*there, *new]))


def _from_export(path: Path) -> Iterator[tuple[str, list[HumanAnswer]]]:
    records = load_json(path)
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
