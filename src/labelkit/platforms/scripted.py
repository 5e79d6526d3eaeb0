"""An annotator that answers from held-back truth: for simulations and tests, never for real gold.

Answers go through the platform like a person's, so everything behind them is exercised for real.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import RoundError
from labelkit.rounds.platform import ProjectSpec
from labelkit.rounds.round import Round


@dataclass(frozen=True)
class ScriptedAnswer:
    """One answer to hand in: the task's key and platform id, and the chosen label's name."""

    key: str
    task_id: str
    label_name: str


@runtime_checkable
class Answerable(Protocol):
    """A platform on which a script can answer in a person's place."""

    def submit(
        self, project: str, spec: ProjectSpec, answers: Sequence[ScriptedAnswer], *, annotator: str
    ) -> None:
        """Hand in these answers as annotations."""
        ...


class ScriptedAnnotator:
    """Answers the open tasks of a round from held-back truth, wrong at a given rate.

    A simulation tool: what it "labels" is only as good as the truth it was given, and every report
    on its answers has to say that no person was asked.

    Parameters
    ----------
    truth : label (int) by example: a mapping from the tuple of key values, or a frame with the key
        columns and ``label``
    error_rate : probability in [0, 1] of answering another class, uniformly chosen
    seed : with it, an example always gets the same answer, in whatever order it is asked
    name : who the answers are from (where the platform lets a script say so)
    keys : key columns of a ``truth`` frame

    Examples
    --------
    >>> annotator = ScriptedAnnotator({("shoes", 1): 1}, error_rate=0.0)
    >>> annotator.label(("shoes", 1), cardinality=2)
    1
    """

    def __init__(
        self,
        truth: Mapping[tuple[object, ...], int] | NativeFrame,
        *,
        error_rate: float = 0.0,
        seed: int = 0,
        name: str = "scripted-annotator",
        keys: Sequence[str] = ("query", "item"),
    ) -> None:
        if not 0 <= error_rate <= 1:
            raise RoundError(f"error_rate is a probability; got {error_rate}.")
        self._truth = dict(truth) if isinstance(truth, Mapping) else _by_key(truth, keys)
        self.error_rate = error_rate
        self.seed = seed
        self.name = name

    def label(self, example: tuple[object, ...], *, cardinality: int) -> int:
        """What this annotator says of one example: a class in 0 … cardinality - 1."""
        if example not in self._truth:
            raise RoundError(f"The scripted annotator has no truth for example {example}.")
        true = int(self._truth[example])
        if not 0 <= true < cardinality:
            raise RoundError(f"The truth of {example} is class {true}, outside {cardinality}.")
        # From the example, not from a stream: the order of the questions changes no answer.
        digest = hashlib.sha256(repr(example).encode()).digest()
        draw = np.random.default_rng([self.seed, int.from_bytes(digest[:8], "big")])
        if draw.random() >= self.error_rate:
            return true
        return int((true + 1 + draw.integers(cardinality - 1)) % cardinality)

    def answer(self, round_: Round, *, limit: int | None = None) -> int:
        """Answer the tasks of ``round_`` that have no answer yet; returns how many.

        What was answered on the platform since the last pull counts as open here, so pull first.
        """
        if not isinstance(round_.platform, Answerable):
            raise RoundError(f"Nobody can answer by script on {round_.platform.kind!r}.")
        spec, project = round_.spec, round_.project
        open_tasks = [task for task in round_.tasks() if task.n_answers == 0][:limit]
        unsent = [task for task in open_tasks if task.task_id is None]
        if project is None or unsent:
            raise RoundError(f"Round {round_.name!r} is not on the platform yet: push it first.")
        answers = [
            ScriptedAnswer(
                task.key,
                str(task.task_id),
                spec.label_names[self.label(task.example, cardinality=len(spec.label_names))],
            )
            for task in open_tasks
        ]
        round_.platform.submit(project, spec, answers, annotator=self.name)
        return len(answers)


def _by_key(truth: NativeFrame, keys: Sequence[str]) -> dict[tuple[object, ...], int]:
    table = collect(lazy(truth).select(*keys, "label")).to_polars()
    return {tuple(row[:-1]): row[-1] for row in table.iter_rows()}
