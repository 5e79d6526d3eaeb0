"""LFs that repeat each other: found by how surely one's vote implies the other's, and discounted.

The same signal at three thresholds, or a regular expression and its special case, look like
several witnesses and are one. Counted as independent they make labels overconfident, and EM finds
nothing so credible as witnesses who always agree.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.labelmodels.statistics import FloatArray, VoteStatistics
from labelkit.lfs.pairs import certainty


def redundant_pairs(statistics: VoteStatistics, threshold: float) -> npt.NDArray[np.bool_]:
    """Which LFs say the same thing twice, (m, m), symmetric, true on the diagonal.

    LFs i and j are redundant if for some class v the vote j = v makes i = v nearly certain, or
    the other way round: (P(i = v | j = v) - P(i = v)) / (1 - P(i = v)) ≥ ``threshold``, with one
    imagined counterexample, so that a handful of votes proves nothing.

    See `labelkit.lfs.pairs.certainty` for the measure and its source.
    """
    implied = certainty(statistics.together, statistics.n, statistics.cardinality) >= threshold
    return np.asarray(implied | implied.T | np.eye(statistics.m, dtype=bool))


def discounts(statistics: VoteStatistics, threshold: float | None) -> FloatArray:
    """Weight of each LF's log-likelihood and prior, (m,): one over the LFs that say the same.

    With ``threshold`` None every LF is its own witness. m copies of an LF weigh as much as one.
    """
    if threshold is None:
        return np.ones(statistics.m)
    return np.asarray(1 / redundant_pairs(statistics, threshold).sum(axis=1))
