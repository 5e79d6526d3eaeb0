"""``BatchTask``: what a batch is chosen from; and the best of a pool by score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
IntArray: TypeAlias = npt.NDArray[np.int64]
# A dense (n, d) array or a SciPy sparse matrix in rows.
Features: TypeAlias = Any


@dataclass(frozen=True)
class BatchTask:
    """A pool, as far as choosing a batch needs it.

    ::

        score          (n,) how much an answer would tell; higher is better
        rng            breaks ties and draws
        features       (n, d) dense or sparse rows; None for strategies that look at scores alone
        probabilities  (n, k) class probabilities; needed by ``badge`` alone
        labeled        (m, d) features of the examples that people have labeled already
    """

    score: FloatArray
    rng: np.random.Generator
    features: Features = None
    probabilities: FloatArray | None = None
    labeled: Features = None

    def __len__(self) -> int:
        return len(self.score)

    def rows(self, positions: IntArray) -> BatchTask:
        """The task of choosing among these positions only."""
        return replace(
            self,
            score=self.score[positions],
            features=None if self.features is None else self.features[positions],
            probabilities=None if self.probabilities is None else self.probabilities[positions],
        )

    def need_features(self, strategy: str) -> Features:
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


def best(task: BatchTask, n: int) -> IntArray:
    """Positions of the ``n`` highest scores, best first, without sorting the rest.

    Among equal scores the task's generator decides.
    """
    score = task.score
    tie = task.rng.random(len(score))
    if n < len(score):
        threshold = np.partition(score, len(score) - n)[len(score) - n]
        among = np.flatnonzero(score >= threshold)
    else:
        among = np.arange(len(score))
    order = np.lexsort((tie[among], -score[among]))
    found: IntArray = among[order[:n]].astype(np.int64)
    return found
