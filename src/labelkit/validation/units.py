"""The units that metrics are computed on: gold rows, and the pseudo-rows of a prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.validation.labelsets import LabelSet

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Scores at which pseudo-rows stand, in each row of the confusion table: enough for AUC and log loss
# to see where a row's scores lie, few enough to cost nothing.
_PLACES = 4


@dataclass(frozen=True)
class Units:
    """Gold rows first, then pseudo-rows.

    ::

        at     (u,) int64: row of each unit in the weak labels
        truth  (u,) int64: gold label, or the class that a pseudo-row supposes
        row    (u,) int64: class that the weak labels give
        prior  (u,) float64: 0 for gold, a pseudo-row's share of its row's one prior label
        n_gold number of gold rows
    """

    at: IntArray
    truth: IntArray
    row: IntArray
    prior: FloatArray
    n_gold: int

    @property
    def real(self) -> BoolArray:
        """(u,) True for gold rows."""
        return np.arange(len(self.at)) < self.n_gold


def make_units(at: IntArray, truth: IntArray, weak: LabelSet, usable: BoolArray) -> Units:
    """Gold rows, and for each weak class pseudo-rows worth one label, spread evenly over classes.

    Pseudo-rows copy examples at even quantiles of the weak score among ``usable`` rows of their
    class, and suppose each true class alike: the prior knows what the labels say, not whether they
    are right.

    Parameters
    ----------
    at : (n,) int64 row of each gold label in the weak labels
    truth : (n,) int64 gold labels
    weak : the weak labels, N rows
    usable : (N,) True where every label set says something
    """
    k = _cardinality(weak)
    places, supposed, share = [], [], []
    for number in range(k):
        members = np.flatnonzero(usable & (weak.label == number))
        if not len(members):
            continue
        order = members[np.argsort(_score(weak)[members], kind="stable")]
        quantile = (np.arange(_PLACES) + 0.5) / _PLACES
        chosen = order[(quantile * len(order)).astype(np.int64)]
        places.append(np.tile(chosen, k))
        supposed.append(np.repeat(np.arange(k), _PLACES))
        share.append(np.full(k * _PLACES, 1 / (k * _PLACES)))
    everywhere = np.concatenate([at, *places]).astype(np.int64)
    return Units(
        at=everywhere,
        truth=np.concatenate([truth, *supposed]).astype(np.int64),
        row=weak.label[everywhere],
        prior=np.concatenate([np.zeros(len(at)), *share]),
        n_gold=len(at),
    )


def _cardinality(weak: LabelSet) -> int:
    return 2 if weak.probabilities is None else weak.probabilities.shape[1]


def _score(weak: LabelSet) -> FloatArray:
    return weak.label.astype(np.float64) if weak.score is None else weak.score
