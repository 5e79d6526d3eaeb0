"""LFs that repeat each other: found by how surely one's vote implies the other's, and discounted.

The same signal at three thresholds, or a regular expression and its special case, look like
several witnesses and are one. Counted as independent they make labels overconfident, and EM finds
nothing so credible as witnesses who always agree.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.labelmodels.statistics import FloatArray, VoteStatistics


def redundant_pairs(statistics: VoteStatistics, threshold: float) -> npt.NDArray[np.bool_]:
    """Which LFs say the same thing twice, (m, m), symmetric, true on the diagonal.

    LFs i and j are redundant if for some class v the vote j = v makes i = v nearly certain, or
    the other way round: (P(i = v | j = v) - P(i = v)) / (1 - P(i = v)) ≥ ``threshold``, with one
    imagined counterexample, so that a handful of votes proves nothing.

    Notes
    -----
    The certainty factor of association rules (Shortliffe & Buchanan 1975). Honest witnesses with
    accuracy a agree too: on balanced classes two independent LFs that always vote reach the
    factor (2a - 1)², so that a threshold of 0.9 takes them for copies only above a = 0.97, where
    being discounted changes no label.
    """
    k, m = statistics.cardinality, statistics.m
    together = ((statistics.transposed * statistics.counts) @ statistics.onehot).toarray()
    redundant = np.eye(m, dtype=bool)
    for v in range(k):
        pairs = together[v::k, v::k]
        cast = np.diag(pairs)
        usual = np.minimum(cast / statistics.n, 1 - 1e-9)[:, None]
        given = pairs / (cast + 1)
        redundant |= (given - usual) / (1 - usual) >= threshold
    return np.asarray(redundant | redundant.T)


def discounts(statistics: VoteStatistics, threshold: float | None) -> FloatArray:
    """Weight of each LF's log-likelihood and prior, (m,): one over the LFs that say the same.

    With ``threshold`` None every LF is its own witness. m copies of an LF weigh as much as one.
    """
    if threshold is None:
        return np.ones(statistics.m)
    return np.asarray(1 / redundant_pairs(statistics, threshold).sum(axis=1))
