"""Many small clusters, quickly."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from labelkit.selection.batches.candidates import FloatArray, IntArray
from labelkit.selection.features import BLOCK, Float32Array, is_sparse

MOST = 2_000
"""More clusters are not made: a round-robin gives several of each instead."""
_LLOYD_STEPS = 5


def clusters(
    rows: Any, k: int, rng: np.random.Generator, *, weight: FloatArray | None = None
) -> IntArray:
    """Cluster numbers (n,) of the rows by k-means, without gaps; fewer than k if rows repeat.

    Rows with more ``weight`` (positive) draw seeds and centres towards them.

    Seeded by k-means++ with one draw a seed, then a few steps of Lloyd's: what a batch needs is
    that neighbours fall together, not the best k-means.
    """
    from sklearn.cluster import KMeans, kmeans_plusplus
    from sklearn.exceptions import ConvergenceWarning

    k = min(k, MOST, rows.shape[0])
    if k == 1:
        return np.zeros(rows.shape[0], dtype=np.int64)
    state = int(rng.integers(2**31))
    seeds, _ = kmeans_plusplus(rows, k, sample_weight=weight, random_state=state, n_local_trials=1)
    seeds = seeds.toarray() if hasattr(seeds, "toarray") else seeds
    with warnings.catch_warnings():
        # Rows that repeat make fewer clusters than asked for: that is the answer, not a fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = KMeans(k, init=seeds, n_init=1, max_iter=_LLOYD_STEPS, random_state=state)
        number = fit.fit_predict(rows, sample_weight=weight)
    return np.asarray(np.unique(number, return_inverse=True)[1], dtype=np.int64)


def to_centre(rows: Any, cluster: IntArray, weight: FloatArray) -> Float32Array:
    """(n,) squared distance of each row to the weighted mean of its cluster."""
    from scipy.sparse import csr_matrix

    k = int(cluster.max()) + 1
    share = weight / np.bincount(cluster, weights=weight, minlength=k)[cluster]
    mean = csr_matrix((share, (cluster, np.arange(len(cluster)))), (k, len(cluster))) @ rows
    mean = np.asarray(mean.toarray() if is_sparse(mean) else mean, dtype=np.float32)
    away = np.empty(len(cluster), dtype=np.float32)
    for start in range(0, len(cluster), BLOCK):
        block = slice(start, start + BLOCK)
        part = rows[block]
        gap = (part.toarray() if is_sparse(part) else part) - mean[cluster[block]]
        away[block] = np.einsum("nd,nd->n", gap, gap)
    return away
