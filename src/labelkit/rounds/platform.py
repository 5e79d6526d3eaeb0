"""What an annotation platform must do for a round, and the words in which the two talk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

AnswerStatus = Literal["answered", "skipped", "unreadable"]


@dataclass(frozen=True)
class DisplayField:
    """One thing that people see of an example.

    Parameters
    ----------
    name : key in ``TaskSpec.data``; letters, digits and underscores only
    caption : the user's own column name, shown above the text
    is_key : the field is one of the key columns
    """

    name: str
    caption: str
    is_key: bool


@dataclass(frozen=True)
class ProjectSpec:
    """What a platform must know to set up the place where a round is labeled.

    Parameters
    ----------
    uid : stable mark by which the project is found again; the same in every process
    title : what people read
    label_names : names of the classes 0 … k-1, in that order
    fields : what is shown of each example, in order
    instructions : plain text for annotators, or None
    """

    uid: str
    title: str
    label_names: tuple[str, ...]
    fields: tuple[DisplayField, ...]
    instructions: str | None = None


@dataclass(frozen=True)
class TaskSpec:
    """One question to people.

    Parameters
    ----------
    key : stable key of the task, unique over all rounds; stored with the task on the platform
    data : what is shown, by ``DisplayField.name``; always text, never markup
    soft_label : (k,) probabilities shown as a pre-annotation; None shows nothing
    model_version : which model the soft label came from
    priority : place in the order in which people should see the tasks, lowest first; None if the
        order in which they are pushed is all there is
    """

    key: str
    data: Mapping[str, str]
    soft_label: tuple[float, ...] | None = None
    model_version: str | None = None
    priority: float | None = None


@dataclass(frozen=True)
class HumanAnswer:
    """One annotation of one task, as the platform has it now.

    Parameters
    ----------
    id : the platform's own id of the annotation, unique within its task
    annotator : who; stable over pulls
    label_name : the chosen class, None unless ``status`` is "answered"
    status : "answered", "skipped" (cancelled by the annotator) or "unreadable" (see ``problem``)
    lead_time_s : seconds spent, None if unknown
    created_at, updated_at : aware times, None if unknown
    raw : the platform's own record as JSON text
    problem : why the answer could not be read
    comment : the annotator's remark, None if there is none
    """

    id: str
    annotator: str
    label_name: str | None
    status: AnswerStatus
    lead_time_s: float | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    raw: str = "{}"
    problem: str | None = None
    comment: str | None = None


@dataclass(frozen=True)
class TaskAnswers:
    """Everything that people have said about one task: what is absent here was withdrawn."""

    key: str
    task_id: str
    answers: tuple[HumanAnswer, ...]


class AnnotationPlatform(Protocol):
    """A place where people answer. Every call may be repeated; none may double anything.

    Calls raise ``PlatformError`` with what to do about it: unreachable, refused, project gone.
    """

    @property
    def kind(self) -> str:
        """Stable name of the platform, e.g. ``"label_studio"``; kept in the ledger."""
        ...

    def ensure_project(self, spec: ProjectSpec, *, project: str | None = None) -> str:
        """The project of ``spec``, made if it is not there; ``project`` is the id known so far.

        Raises if ``project`` is given and no longer exists, or if its labeling interface no longer
        offers the labels of ``spec``.
        """
        ...

    def existing_keys(self, project: str) -> Mapping[str, str]:
        """Task key → the platform's task id, of all tasks that the project has."""
        ...

    def push(self, project: str, spec: ProjectSpec, tasks: Sequence[TaskSpec]) -> Mapping[str, str]:
        """Create these tasks (the caller has asked which are missing); task key → task id."""
        ...

    def cursor(self, project: str) -> str | None:
        """A mark of now, to be given to a later ``answers(since=…)``; None if there is none."""
        ...

    def answers(self, project: str, *, since: str | None = None) -> Iterator[Sequence[TaskAnswers]]:
        """Pages of tasks with their answers: at least all that changed after ``since``."""
        ...


@runtime_checkable
class RemovesCopies(Protocol):
    """A platform on which a task can come to stand twice, and which can put that right.

    An import that its sender did not live to see may land long after somebody else has looked for
    it and sent it again. No platform that takes no keys with an import can rule that out; what can
    be had is that the surplus is seen and removed before anything is counted.
    """

    def n_tasks(self, project: str) -> int:
        """How many tasks the project holds, copies included; one cheap call."""
        ...

    def remove_copies(self, project: str) -> Mapping[str, tuple[str, int]]:
        """Leave each key one task; of those that had more: key → (id that stays, tasks removed).

        What somebody has answered, skipped or begun stays, and so does the lowest task id of those
        that nobody has touched, if nobody has touched any.
        """
        ...
