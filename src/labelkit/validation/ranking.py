"""NDCG@k, query by query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class QueryNDCG:
    """NDCG of each query that has a relevant item.

    ::

        query    (q,) the queries, sorted
        value    (q,) float64 in [0, 1]
        n_items  (q,) int64: judged items behind each value
    """

    query: npt.NDArray[Any]
    value: FloatArray
    n_items: IntArray


def query_ndcg(
    relevance: npt.ArrayLike, score: npt.ArrayLike, query: npt.ArrayLike, *, k: int = 10
) -> QueryNDCG:
    """DCG@k / IDCG@k of each query [1]_, items with equal scores sharing their ranks' gain [2]_.

    Weak labels tie in masses; breaking ties by row order would make the value depend on it, so that
    of all orders of the tied items is averaged, as scikit-learn does.

    Parameters
    ----------
    relevance : (n,) grades ≥ 0; gain is 2^grade − 1
    score : (n,) higher is ranked first
    query : (n,) query of each item
    k : cut-off ≥ 1; ranks past it count nothing

    References
    ----------
    .. [1] Järvelin & Kekäläinen (2002); gain and discount as in Burges et al. (2005).
    .. [2] McSherry & Najork (2008), Computing information retrieval performance measures
       efficiently in the presence of tied scores.
    """
    grade = np.asarray(relevance, dtype=np.float64)
    s = np.asarray(score, dtype=np.float64)
    names, group = np.unique(np.asarray(query), return_inverse=True)
    gain = np.exp2(grade) - 1

    actual = _dcg(gain, s, group, k, len(names))
    ideal = _dcg(gain, gain, group, k, len(names))
    some = ideal > 0
    n_items = np.bincount(group, minlength=len(names)).astype(np.int64)
    return QueryNDCG(names[some], actual[some] / ideal[some], n_items[some])


def _dcg(gain: FloatArray, score: FloatArray, group: IntArray, k: int, n: int) -> FloatArray:
    if not len(gain):
        return np.zeros(n)
    order = np.lexsort((-score, group))
    g, s = group[order], score[order]
    first = np.flatnonzero(np.r_[True, g[1:] != g[:-1]])
    rank = np.arange(len(g)) - np.repeat(first, np.diff(np.r_[first, len(g)])) + 1
    discount = np.where(rank <= k, 1 / np.log2(rank + 1), 0.0)
    tied = np.cumsum(np.r_[True, (g[1:] != g[:-1]) | (s[1:] != s[:-1])]) - 1
    size = np.bincount(tied)
    mean_gain = np.bincount(tied, weights=gain[order]) / size
    summed = np.bincount(tied, weights=discount) * mean_gain
    owner = g[np.flatnonzero(np.r_[True, tied[1:] != tied[:-1]])]
    return np.asarray(np.bincount(owner, weights=summed, minlength=n), dtype=np.float64)


def draw_means(value: FloatArray, weight: FloatArray, *, n_draws: int, seed: int) -> FloatArray:
    """Posterior draws of the weighted mean over queries: Bayesian bootstrap of whole queries [1]_.

    Parameters
    ----------
    value : (q,) NDCG of each query, q ≥ 2
    weight : (q,) design weight of each query

    References
    ----------
    .. [1] Rubin (1981); with shape (q − 2)/q the variance of a mean is the unbiased one.
    """
    shape = max((len(value) - 2) / len(value), 0.25)
    rng = np.random.default_rng(seed)
    w = rng.standard_gamma(shape, size=(n_draws, len(value))) * weight
    return np.asarray((w @ value) / w.sum(axis=1))
