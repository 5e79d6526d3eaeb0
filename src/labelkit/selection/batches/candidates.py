"""``BatchTask``: what a batch is chosen from; and the best of a pool by score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError
from labelkit.selection import ordering
from labelkit.selection.features import FeatureRows

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
IntArray: TypeAlias = npt.NDArray[np.int64]

FACTOR = 10
"""Candidates per example of the batch; Citovsky et al. (2021) use 10."""
_MANY = 100_000


@dataclass(frozen=True)
class BatchTask:
    """A pool, as far as choosing a batch needs it.

    ::

        score          (n,) how much an answer would tell; higher is better
        rng            breaks ties and draws
        features       features of the n examples; None for strategies that look at scores alone
        probabilities  (n, k) class probabilities; needed by ``badge`` alone
        labeled        features of the examples that people have labeled already
    """

    score: FloatArray
    rng: np.random.Generator
    features: FeatureRows | None = None
    probabilities: FloatArray | None = None
    labeled: FeatureRows | None = None

    def __len__(self) -> int:
        return len(self.score)

    def need_features(self, strategy: str) -> FeatureRows:
        """The features, or an error that says how to give them.

        Raises
        ------
        SelectionError
            There are none.
        """
        if self.features is None:
            raise SelectionError(
                f"strategy = {strategy!r} spreads a batch over the features of the examples: give "
                "features=, an array or sparse matrix with one row per example of the weak labels."
            )
        return self.features


BatchStrategy: TypeAlias = Callable[[BatchTask, int], IntArray]
"""Chooses n of a task: positions without repetition, the most wanted first."""


def best(task: BatchTask, n: int) -> IntArray:
    """Positions of the ``n`` highest scores, best first, without sorting the rest.

    Among equal scores the task's generator decides.
    """
    return ordering.best(task.score, task.rng.random(len(task)), n)


def candidates(task: BatchTask, n: int) -> IntArray:
    """The ``10 n`` best, fewer for huge batches (twice n, or 100,000), best first."""
    return best(task, n_candidates(task, n))


def n_candidates(task: BatchTask, n: int) -> int:
    """How many candidates a batch of ``n`` is chosen from."""
    return min(FACTOR * n, max(2 * n, _MANY), len(task))
