"""What the steps of a round report back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

RoundState = Literal["planned", "pushed", "collecting", "adjudicating", "closed"]

Progress = Callable[[int, int], None]
"""Called with (tasks done, tasks in all); for progress bars."""


@dataclass(frozen=True)
class PushResult:
    """What a push did: ``n_tasks = n_pushed + n_already_there``.

    Parameters
    ----------
    n_tasks : tasks of the round
    n_pushed : tasks that this push created on the platform
    n_already_there : tasks that the platform had, and which were left alone
    project : the platform's project id
    n_copies_removed : tasks that had come to stand on the platform twice, and stand there once now
    """

    round: str
    project: str
    n_tasks: int
    n_pushed: int
    n_already_there: int
    n_copies_removed: int = 0


@dataclass(frozen=True)
class PullResult:
    """What a pull brought; with nothing new, nothing is new, changed, withdrawn or unreadable.

    Parameters
    ----------
    n_new_annotations : answers and skips seen for the first time
    n_changed_annotations : annotations that their annotator has changed since; both versions stay
    n_withdrawn_annotations : annotations that were deleted on the platform
    n_skipped : of the new and changed, those in which the annotator skipped the task
    n_unreadable : of the new and changed, those that hold no label of the round (see ``problems``)
    n_foreign : tasks that the platform sent along but that are not of this round; left alone
    n_answered_tasks : tasks of the round with at least one answer, after this pull
    n_tasks : tasks of the round
    problems : one sentence for each of the first few unreadable annotations
    """

    round: str
    n_new_annotations: int
    n_changed_annotations: int
    n_withdrawn_annotations: int
    n_skipped: int
    n_unreadable: int
    n_foreign: int
    n_answered_tasks: int
    n_tasks: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class RoundStatus:
    """Where a round stands, by the ledger alone (nothing is asked of the platform)."""

    name: str
    state: RoundState
    platform: str
    project: str | None
    n_tasks: int
    n_on_platform: int
    n_answered_tasks: int
    n_annotations: int
    n_skipped: int
    n_unreadable: int
    n_annotators: int
    label_names: tuple[str, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def is_complete(self) -> bool:
        """Every task has at least one answer."""
        return self.n_answered_tasks == self.n_tasks


@dataclass(frozen=True)
class RoundTask:
    """A task of a round, as the ledger has it.

    Parameters
    ----------
    key : the stable key stored with the task on the platform
    example : values of the key columns
    task_id : the platform's id, None if not pushed yet
    inclusion_probability : π in (0, 1] with which the example was drawn
    stratum : "informative" or "audit"
    n_answers : answers so far, skips not counted
    """

    key: str
    example: tuple[object, ...]
    task_id: str | None
    inclusion_probability: float
    stratum: str
    n_answers: int
