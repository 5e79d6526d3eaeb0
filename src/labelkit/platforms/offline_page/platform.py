"""``OfflinePage``: the annotation platform that is a file to open and a file to bring back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labelkit.errors import PlatformError
from labelkit.files import write_text
from labelkit.platforms.folder import Folders, dump_json, load_json
from labelkit.platforms.offline_page.answer_file import FORMAT, read_sessions
from labelkit.platforms.offline_page.document import document
from labelkit.platforms.scripted import ScriptedAnswer
from labelkit.rounds.platform import ProjectSpec, TaskAnswers, TaskSpec

PAGE = "label.html"


class OfflinePage:
    """A labeling page in one HTML file, and the files of answers that people bring back.

    ::

        <directory>/<round>/label.html     open it in any browser; it needs no network
                            answers*.json  what the page exports: put it here, one a person

    ``project.json``, ``tasks.json`` and ``labeling_config.xml`` are as for ``FilesPlatform``. A
    file of answers may be read as often as you like, under any name that begins with "answers". A
    file that is taken away says nothing: what it said stays in the ledger, and what is to be taken
    back is cleared in the page and exported again.

    Parameters
    ----------
    directory : folder that holds one folder per round; made when the first round is pushed
    pair : what the names of the columns begin with that stand side by side, left and right, for a
        question like "which of the two is better?"

    Examples
    --------
    >>> OfflinePage("rounds").page("round-1").as_posix()
    'rounds/round-1/label.html'
    """

    def __init__(self, directory: str | Path, *, pair: tuple[str, str] | None = None) -> None:
        if pair is not None and (
            len(pair) != 2
            or not all(pair)
            or pair[0].startswith(pair[1])
            or pair[1].startswith(pair[0])
        ):
            raise PlatformError(
                "pair takes two different beginnings of column names, such as ('left_', "
                f"'right_'); got {pair!r}."
            )
        self._folders = Folders(directory)
        self._pair = pair

    def __repr__(self) -> str:
        return f"OfflinePage({str(self.directory)!r})"

    @property
    def directory(self) -> Path:
        return self._folders.directory

    @property
    def kind(self) -> str:
        return "page"

    def folder(self, project: str) -> Path:
        """Where the files of a project are, and where exports are put."""
        return self._folders.path(project)

    def page(self, project: str) -> Path:
        """The file to open in a browser."""
        return self.folder(project) / PAGE

    def ensure_project(self, spec: ProjectSpec, *, project: str | None = None) -> str:
        """The folder of ``spec``, with a page in it.

        Raises
        ------
        PlatformError
            The folder is gone or another round's, or one side of the pair shows no column.
        """
        for beginning in self._pair or ():
            if not any(field.caption.startswith(beginning) for field in spec.fields):
                raise PlatformError(
                    f"No shown column begins with {beginning!r}, so one side of the pair is empty "
                    f"(the round shows {', '.join(field.caption for field in spec.fields)})."
                )
        name = self._folders.ensure(spec, project=project)
        # Written again with every push: a page that was lost, or is of an older labelkit, comes
        # back, and answers do not live in it.
        write_text(self.page(name), document(spec, self._folders.tasks(name), pair=self._pair))
        return name

    def existing_keys(self, project: str) -> Mapping[str, str]:
        return self._folders.existing_keys(project)

    def push(self, project: str, spec: ProjectSpec, tasks: Sequence[TaskSpec]) -> Mapping[str, str]:
        records = self._folders.with_new(project, spec, tasks)
        # The page first: if we are stopped in between, the tasks still count as not sent.
        write_text(self.page(project), document(spec, records, pair=self._pair))
        self._folders.write_tasks(project, records)
        return self._folders.task_ids(project, [task.key for task in tasks])

    def cursor(self, project: str) -> str | None:
        return None

    def answers(self, project: str, *, since: str | None = None) -> Iterator[Sequence[TaskAnswers]]:
        made = self._folders.made(project)
        paths = sorted(self.folder(project).glob("answers*.json"))
        for session, words in read_sessions(paths, self._folders.uid(project)).items():
            # Each person's copy of the page is a place of its own: what one file withdraws or does
            # not mention says nothing about what another says.
            yield [
                TaskAnswers(key, f"{made}/{session}", (word.answer,) if word.answer else ())
                for key, word in words.items()
            ]

    def submit(
        self, project: str, spec: ProjectSpec, answers: Sequence[ScriptedAnswer], *, annotator: str
    ) -> None:
        """Write a script's answers as the page would export them (see ``ScriptedAnnotator``)."""
        session = hashlib.sha256(annotator.encode()).hexdigest()[:32]
        path = self.folder(project) / f"answers-script-{session[:8]}.json"
        record: dict[str, Any] = {
            "format": FORMAT,
            "round": spec.uid,
            "annotator": annotator,
            "session": session,
            "answers": load_json(path)["answers"] if path.exists() else [],
        }
        time = datetime.now(UTC).isoformat()
        record["answers"] += [
            {
                "key": answer.key,
                "status": "answered",
                "label": answer.label_name,
                "created_at": time,
                "updated_at": time,
            }
            for answer in answers
        ]
        write_text(path, dump_json(record))
