"""Many small clusters, quickly."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from labelkit.selection.batches.candidates import IntArray

MOST = 2_000
"""More clusters are not made: a round-robin gives several of each instead."""
_LLOYD_STEPS = 5


def clusters(rows: Any, k: int, rng: np.random.Generator) -> IntArray:
    """Cluster numbers (n,) of the rows by k-means, without gaps; fewer than k if rows repeat.

    Seeded by k-means++ with one draw a seed, then a few steps of Lloyd's: what a batch needs is
    that neighbours fall together, not the best k-means.
    """
    from sklearn.cluster import KMeans, kmeans_plusplus
    from sklearn.exceptions import ConvergenceWarning

    k = min(k, MOST, rows.shape[0])
    if k == 1:
        return np.zeros(rows.shape[0], dtype=np.int64)
    state = int(rng.integers(2**31))
    seeds, _ = kmeans_plusplus(rows, k, random_state=state, n_local_trials=1)
    seeds = seeds.toarray() if hasattr(seeds, "toarray") else seeds
    with warnings.catch_warnings():
        # Rows that repeat make fewer clusters than asked for: that is the answer, not a fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = KMeans(k, init=seeds, n_init=1, max_iter=_LLOYD_STEPS, random_state=state)
        number = fit.fit_predict(rows)
    return np.asarray(np.unique(number, return_inverse=True)[1], dtype=np.int64)
