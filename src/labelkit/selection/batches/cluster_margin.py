"""Cluster-margin: of the most uncertain, one of each cluster in turn."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelkit.selection.batches.candidates import BatchTask, IntArray, best
from labelkit.selection.batches.distances import as_rows

FACTOR = 10
"""Candidates per example of the batch; Citovsky et al. (2021) use 10."""

_LLOYD_STEPS = 5


def cluster_margin(task: BatchTask, n: int) -> IntArray:
    """Cluster the ``10 n`` best by score, then take one of each cluster in turn, small ones first.

    Parameters
    ----------
    task : with features
    n : examples to choose

    Returns
    -------
    (n,) positions, in the order in which the clusters gave them

    Notes
    -----
    Citovsky et al. (2021), Batch active learning at scale, algorithm 1, with k-means in
    ``n`` clusters in place of average linkage (whose distances are n × n), and with the best
    score of its cluster first where the paper draws at random.
    """
    task.need_features("cluster_margin")
    among = best(task, min(FACTOR * n, len(task)))
    if len(among) <= n:
        return among
    cluster = clusters(as_rows(task.features[among]), n, task.rng)
    return among[in_turn(cluster)[:n]]


def clusters(rows: Any, k: int, rng: np.random.Generator) -> IntArray:
    """Cluster numbers (n,) of the rows by k-means; fewer than k if rows repeat.

    Seeded by k-means++ with one draw a seed, then a few steps of Lloyd's: many small clusters are
    wanted quickly, not the best k-means.
    """
    import warnings

    from sklearn.cluster import KMeans, kmeans_plusplus
    from sklearn.exceptions import ConvergenceWarning

    k = min(k, rows.shape[0])
    state = int(rng.integers(2**31))
    seeds, _ = kmeans_plusplus(rows, k, random_state=state, n_local_trials=1)
    seeds = seeds.toarray() if hasattr(seeds, "toarray") else seeds
    with warnings.catch_warnings():
        # Rows that repeat make fewer clusters than asked for: that is the answer, not a fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = KMeans(k, init=seeds, n_init=1, max_iter=_LLOYD_STEPS, random_state=state)
        return np.asarray(fit.fit_predict(rows), dtype=np.int64)


def in_turn(cluster: IntArray) -> IntArray:
    """Positions in the order of a round-robin: clusters by size, smallest first.

    Within a cluster the order of the rows, which is best first.
    """
    size = np.bincount(cluster)[cluster]
    order = np.argsort(cluster, kind="stable")
    ordered = cluster[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    place = np.empty(len(cluster), dtype=np.int64)
    lengths = np.diff(np.r_[starts, len(ordered)])
    place[order] = np.arange(len(ordered)) - np.repeat(starts, lengths)
    turn: IntArray = np.lexsort((np.arange(len(cluster)), size, place)).astype(np.int64)
    return turn
