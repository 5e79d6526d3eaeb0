"""Quality metrics of labels as pure functions of arrays, weighted, one set of weights or many.

``weight`` has shape (n,), or (b, n) for b sets of weights at once (replicates of a bootstrap): then
a number becomes (b,) numbers; calibration error and NDCG take one set and none. Without weights all
rows count alike, and the values are scikit-learn's. An undefined metric (no row in its denominator)
is NaN.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Number = np.float64 | FloatArray

_SMALLEST = float(np.finfo(np.float64).eps)  # scikit-learn's clip in log_loss


def _weights(weight: npt.ArrayLike | None, n: int) -> FloatArray:
    return np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)


def _ratio(top: Number, bottom: Number) -> Number:
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Number = np.where(bottom > 0, np.divide(top, bottom), np.nan)[()]
    return result


def accuracy(y: npt.ArrayLike, label: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> Number:
    """Weighted share of rows whose label is the truth.

    Parameters
    ----------
    y, label : (n,) classes
    weight : (n,) or (b, n), non-negative
    """
    right = np.asarray(y) == np.asarray(label)
    w = _weights(weight, len(right))
    return _ratio(w @ right.astype(float), w.sum(axis=-1))


def precision(
    y: npt.ArrayLike,
    label: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    positive: int = 1,
) -> Number:
    """Weighted share of rows labeled ``positive`` that are; NaN when none is labeled so."""
    truth, called = np.asarray(y) == positive, np.asarray(label) == positive
    w = _weights(weight, len(truth))
    return _ratio(w @ (truth & called).astype(float), w @ called.astype(float))


def recall(
    y: npt.ArrayLike,
    label: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    positive: int = 1,
) -> Number:
    """Weighted share of truly ``positive`` rows that are labeled so; NaN when none is."""
    return precision(label, y, weight, positive=positive)


def f1(
    y: npt.ArrayLike,
    label: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    positive: int = 1,
) -> Number:
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); NaN without any positive."""
    truth, called = np.asarray(y) == positive, np.asarray(label) == positive
    w = _weights(weight, len(truth))
    both = 2 * (w @ (truth & called).astype(float))
    return _ratio(both, w @ (truth.astype(float) + called))


def auc(y: npt.ArrayLike, score: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> Number:
    """Weighted Mann–Whitney: P(score of a positive > score of a negative), ties counting half [1]_.

    Parameters
    ----------
    y : (n,) truth; 1 or True is positive
    score : (n,) higher means more likely positive
    weight : (n,) or (b, n), non-negative

    Returns
    -------
    In [0, 1]; NaN when one class has no weight.

    References
    ----------
    .. [1] Hanley & McNeil (1982), The meaning and use of the area under a ROC curve, Radiology 143.
    """
    truth = np.asarray(y).astype(float)
    order = np.argsort(np.asarray(score), kind="stable")
    ordered = np.asarray(score)[order]
    w = _weights(weight, len(truth))[..., order]
    if not len(truth):
        return np.float64(np.nan)
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    positive = np.add.reduceat(w * truth[order], starts, axis=-1)
    negative = np.add.reduceat(w * (1 - truth[order]), starts, axis=-1)
    below = np.cumsum(negative, axis=-1) - negative / 2
    wins = (positive * below).sum(axis=-1)
    return _ratio(wins, positive.sum(axis=-1) * negative.sum(axis=-1))


def row_log_loss(y: npt.ArrayLike, p: npt.ArrayLike, *, clip: float = _SMALLEST) -> FloatArray:
    """−log of the probability given to the true class, row by row, in nats.

    Parameters
    ----------
    y : (n,) true classes 0 … k-1
    p : (n, k) class probabilities, or (n,) probability of class 1
    clip : probabilities are kept in [clip, 1 − clip]
    """
    probability = np.asarray(p, dtype=np.float64)
    if probability.ndim == 1:
        probability = np.column_stack([1 - probability, probability])
    chosen = probability[np.arange(len(probability)), np.asarray(y, dtype=np.int64)]
    return np.asarray(-np.log(np.clip(chosen, clip, 1 - clip)))


def log_loss(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    clip: float = _SMALLEST,
) -> Number:
    """Weighted mean of −log of the probability given to the true class, in nats.

    Parameters
    ----------
    y : (n,) true classes 0 … k-1
    p : (n, k) class probabilities, or (n,) probability of class 1
    weight : (n,) or (b, n), non-negative
    clip : probabilities are kept in [clip, 1 − clip]
    """
    loss = row_log_loss(y, p, clip=clip)
    w = _weights(weight, len(loss))
    return _ratio(w @ loss, w.sum(axis=-1))


def bins(
    score: npt.ArrayLike, weight: npt.ArrayLike | None = None, *, n_bins: int = 10
) -> FloatArray:
    """Number of the equal-mass bin of each score; equal scores share a bin.

    Parameters
    ----------
    score : (n,) probabilities
    weight : (n,) non-negative: a bin holds about 1/n_bins of the weight
    n_bins : most bins ≥ 1

    Returns
    -------
    (n,) whole numbers from 0 to n_bins − 1.
    """
    s = np.asarray(score, dtype=np.float64)
    w = _weights(weight, len(s))
    values, inverse = np.unique(s, return_inverse=True)
    mass = np.bincount(inverse, weights=w, minlength=len(values))
    middle = (np.cumsum(mass) - mass / 2) / max(mass.sum(), _SMALLEST)
    return np.asarray(np.minimum(np.floor(middle * n_bins), n_bins - 1)[inverse])


def binned_gap(
    y: npt.ArrayLike, score: npt.ArrayLike, bin_of: npt.ArrayLike, weight: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Mean truth minus mean score in each bin, and the bin's share of the weight.

    Returns
    -------
    gap, share : (n_bins,) or (b, n_bins); a bin without weight has gap 0 and share 0.
    """
    w = np.asarray(weight, dtype=np.float64)
    which = np.asarray(bin_of)
    membership = (which[:, None] == np.unique(which)).astype(float)
    difference = np.asarray(y, dtype=np.float64) - np.asarray(score, dtype=np.float64)
    mass = w @ membership
    gap = np.nan_to_num(_ratio((w * difference) @ membership, mass))
    return np.asarray(gap), np.asarray(mass / mass.sum(axis=-1, keepdims=True))


def calibration_error(
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    n_bins: int = 10,
) -> Number:
    """Root mean squared calibration error over equal-mass bins, debiased [1]_.

    √max(0, Σ_b q_b ((ȳ_b − p̄_b)² − v_b)), where v_b estimates the sampling variance of ȳ_b − p̄_b:
    without it, the error of perfectly calibrated scores would read as noise. The binned value is a
    lower bound of the error of the unbinned scores.

    Parameters
    ----------
    y : (n,) 0/1 truth
    score : (n,) probability that it is 1
    weight : (n,) non-negative
    n_bins : most bins ≥ 1

    References
    ----------
    .. [1] Kumar, Liang & Ma (2019), Verified uncertainty calibration, §4.
    """
    truth = np.asarray(y, dtype=np.float64)
    s = np.asarray(score, dtype=np.float64)
    w = _weights(weight, len(s))
    if not len(s):
        return np.float64(np.nan)
    which = bins(s, w, n_bins=n_bins)
    gap, share = binned_gap(truth, s, which, w)
    variance = np.zeros_like(gap)
    for j, number in enumerate(np.unique(which)):
        inside = which == number
        wb, e = w[inside], (truth - s)[inside]
        effective = wb.sum() ** 2 / (wb**2).sum()
        if effective > 1:
            spread = (wb * (e - gap[j]) ** 2).sum() / wb.sum()
            variance[j] = spread / (effective - 1)
        else:  # one row knows nothing of its own variance: take what a wrong guess would have
            variance[j] = 0.25
    return np.float64(np.sqrt(max(0.0, float((share * (gap**2 - variance)).sum()))))


def ndcg(
    relevance: npt.ArrayLike,
    score: npt.ArrayLike,
    query: npt.ArrayLike | None = None,
    *,
    k: int = 10,
) -> float:
    """Mean over queries of DCG@k / IDCG@k with gain 2^rel − 1 and discount log₂(rank + 1).

    Queries without a relevant item have no ideal ranking and are left out. Items with equal scores
    share the expected gain of their ranks. Details: ``labelkit.validation.ranking``.

    Parameters
    ----------
    relevance : (n,) grades ≥ 0
    score : (n,) higher is ranked first
    query : (n,) query of each item; None: one query
    k : cut-off ≥ 1

    Returns
    -------
    In [0, 1]; NaN when no query has a relevant item.
    """
    from labelkit.validation.ranking import query_ndcg

    group = np.zeros(np.shape(relevance)[0]) if query is None else np.asarray(query)
    values = query_ndcg(relevance, score, group, k=k).value
    return float(values.mean()) if len(values) else float("nan")
