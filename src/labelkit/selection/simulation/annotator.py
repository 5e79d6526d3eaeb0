"""An annotator that answers from held-back truth, wrong at a given rate, at a given cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What the annotator would say about each example, settled before anybody asks.

    So an example gets the same answer from every strategy of one seed, in whatever order it is
    asked: strategies are compared in pairs, and luck with the annotator falls out.

    ::

        label  (N,) int64: the answer
        cost   (N,) float64: what it costs to ask, in the user's unit
    """

    label: IntArray
    cost: FloatArray


def script(
    truth: IntArray,
    *,
    cardinality: int,
    error_rate: float,
    cost: float | FloatArray,
    rng: np.random.Generator,
) -> Answers:
    """Answers from ``truth``, another class (all alike) with probability ``error_rate``.

    Parameters
    ----------
    truth : (N,) classes 0 … k-1
    cardinality : number of classes k
    error_rate : in [0, 1)
    cost : of one answer, or of each
    """
    wrong = rng.random(len(truth)) < error_rate
    other = (truth + rng.integers(1, cardinality, size=len(truth))) % cardinality
    price = np.broadcast_to(np.asarray(cost, dtype=np.float64), truth.shape)
    return Answers(np.where(wrong, other, truth).astype(np.int64), price)
