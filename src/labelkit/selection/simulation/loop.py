"""One strategy, one seed: select, ask, learn, and be examined, round after round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelkit.selection.batches import NEEDS_FEATURES
from labelkit.selection.selecting import select
from labelkit.selection.simulation.annotator import Answers
from labelkit.selection.simulation.learner import Classifier, believe

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Course:
    """One seed's course, the same for every strategy.

    ::

        weak      (N, k) soft labels
        x         (N, d) what the learner sees
        truth     (N,) int64 true classes; only ``examine`` reads those outside ``asked``
        query     (N,) int64: number of the example's query
        held_out  (N,) bool: set aside for the examination, never asked about
        answers   what the annotator would say
        first     examples that every strategy starts with, drawn at random; may be empty
    """

    weak: FloatArray
    x: FloatArray
    truth: IntArray
    query: IntArray
    held_out: BoolArray
    answers: Answers
    first: IntArray


@dataclass(frozen=True)
class Step:
    """Where one strategy stood after a round: labels asked for, their cost, quality."""

    round: int
    n_labels: int
    cost: float
    quality: float


def run_course(
    course: Course,
    options: Mapping[str, Any],
    *,
    rounds: int,
    n: int,
    learner: Callable[[], Classifier],
    quality: Callable[[IntArray, FloatArray], float],
    seed: int,
) -> list[Step]:
    """Let one strategy go through a course.

    Parameters
    ----------
    options : arguments of ``select`` beside labels, n, exclude, keys and seed
    rounds : after the common start
    n : labels a round
    learner : makes a fresh classifier, fitted anew on all answers after every round
    quality : of probabilities against truth
    """
    import polars as pl

    pool = np.flatnonzero(~course.held_out)
    # A batch is spread over what the learner sees.
    spread = {"features": course.x[pool]} if options.get("strategy") in NEEDS_FEATURES else {}
    asked, p = course.first, course.weak
    steps = []
    for number in range(rounds + 1):
        if number:
            batch = select(
                _frame(course, pool, p),
                n,
                exclude=pl.DataFrame({"query": course.query[asked], "item": asked}),
                seed=seed,
                **{**spread, **options},
            )
            asked = np.concatenate([asked, batch.frame["item"].to_numpy()])
        if len(asked):
            p = believe(learner(), course.x, asked, course.answers.label[asked], course.weak)
        test = course.held_out
        steps.append(
            Step(
                number,
                len(asked),
                float(course.answers.cost[asked].sum()),
                quality(course.truth[test], p[test]),
            )
        )
    return steps


def _frame(course: Course, pool: IntArray, p: FloatArray) -> pl.DataFrame:
    import polars as pl

    columns = {f"p_{c}": p[pool, c] for c in range(p.shape[1])}
    return pl.DataFrame({"query": course.query[pool], "item": pool, **columns})
