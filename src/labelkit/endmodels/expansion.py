"""From soft labels to what ``fit(X, y, sample_weight)`` takes: rows, classes and weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.endmodels.softlabels import FloatArray, IntArray

# Probabilities this near to the largest are as large, as in the label models.
TIE = 1e-5


@dataclass(frozen=True)
class Expansion:
    """Training rows: example ``row[i]`` has the class ``y[i]`` with weight ``weight[i]``.

    ::

        row     (r,) int64 positions of examples, not decreasing
        y       (r,) int64 classes 0 … k-1
        weight  (r,) float64 > 0
    """

    row: IntArray
    y: IntArray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.row)


def expand(proba: FloatArray, weight: FloatArray, *, min_proba: float = 0.0) -> Expansion:
    """Each example once per class, with the weight w·p_y.

    The weighted log loss Σ_i w_i Σ_y p_iy (−log q_y(x_i)) is the cross entropy of the soft labels,
    the expected loss over what the true class may be (Ratner et al. 2016, §4: noise-aware loss).

    Parameters
    ----------
    proba : (n, k) soft labels
    weight : (n,) importance weights w ≥ 0; examples that weigh 0 are left out
    min_proba : classes below it are left out and the others of the example scaled up to take their
        part: of k copies of a confident example one remains, so X is not copied k times for nothing
    """
    kept = proba >= min_proba
    # The most probable class always stays.
    kept[np.arange(len(proba)), proba.argmax(axis=1)] = True
    p = np.where(kept, proba, 0.0)
    total = p.sum(axis=1, keepdims=True)
    # Rows that lost nothing are not divided: one-hot labels stay exactly so.
    p = np.where(kept.all(axis=1, keepdims=True) | (total == 1), p, p / total)
    weights = p * weight[:, None]
    row, y = np.nonzero(weights > 0)
    return Expansion(row.astype(np.int64), y.astype(np.int64), weights[row, y])


def harden(proba: FloatArray, weight: FloatArray) -> Expansion:
    """Each example once, with its most probable class; examples whose classes tie are left out."""
    top = proba >= proba.max(axis=1, keepdims=True) - TIE
    row = np.flatnonzero((top.sum(axis=1) == 1) & (weight > 0)).astype(np.int64)
    return Expansion(row, top[row].argmax(axis=1).astype(np.int64), weight[row])


def resample(expansion: Expansion, n: int, *, seed: int = 0) -> Expansion:
    """``n`` rows of weight 1, each as often as its share of the weight, to within one.

    Systematic sampling (Madow 1949): row i with weight W_i stands ⌊nW_i/ΣW⌋ or ⌈nW_i/ΣW⌉ times,
    nW_i/ΣW on average over seeds. For estimators that take no ``sample_weight``.
    """
    ends = np.cumsum(expansion.weight)
    ends *= n / ends[-1]
    ends[-1] = n
    start = np.random.default_rng(seed).random()
    upto = np.ceil(ends - start).astype(np.int64).clip(0, n)
    times = np.diff(upto, prepend=0)
    chosen = np.repeat(np.arange(len(expansion)), times)
    return Expansion(expansion.row[chosen], expansion.y[chosen], np.ones(len(chosen)))
