"""Rounds: the ledger of what people were asked, and what they answered.

What comes in: a ``Batch`` (examples with their inclusion probabilities) and an annotation platform;
later, what people answered there.
What goes out: tasks on the platform, and gold labels that still carry the probability with which
each example was drawn.
What it must never do: create a task twice, count an answer twice or forget one, know any one
platform (adapters depend on ``platform.py``, not the other way round), or store a secret.

In the order in which data meets them: ``keys`` names an example the same way for ever, ``plan``
turns a batch into tasks, ``database``, ``tables``, ``counters`` and ``store`` keep them
(``migrate`` and ``migrations`` bring older ledgers up to date, ``guards`` protect history),
``platform`` is what an annotation platform must do, ``round`` moves a round on (``states``),
``sending`` pushes it once (``sends``, ``lease``, ``processes``), ``intake`` takes answers in,
``decisions`` those of adjudicators, ``answers`` and ``gold`` turn them into labels, ``effort`` says
what they took, and ``ledger`` is the way in.
"""

from __future__ import annotations

from labelkit.rounds.ledger import Ledger
from labelkit.rounds.platform import (
    AnnotationPlatform,
    DisplayField,
    HumanAnswer,
    ProjectSpec,
    RemovesCopies,
    TaskAnswers,
    TaskSpec,
)
from labelkit.rounds.results import PullResult, PushResult, RoundStatus, RoundTask
from labelkit.rounds.round import Round

__all__ = [
    "AnnotationPlatform",
    "DisplayField",
    "HumanAnswer",
    "Ledger",
    "ProjectSpec",
    "PullResult",
    "PushResult",
    "RemovesCopies",
    "Round",
    "RoundStatus",
    "RoundTask",
    "TaskAnswers",
    "TaskSpec",
]
