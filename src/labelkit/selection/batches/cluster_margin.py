"""Cluster-margin: of the most uncertain, one of each cluster in turn."""

from __future__ import annotations

from labelkit.selection.batches.candidates import BatchTask, IntArray, candidates
from labelkit.selection.batches.clustering import clusters
from labelkit.selection.batches.distances import narrowed
from labelkit.selection.ordering import in_turn


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
    features = task.need_features("cluster_margin")
    among = candidates(task, n)
    if len(among) <= n:
        return among
    cluster = clusters(narrowed(features.take(among), task.rng), n, task.rng)
    return among[in_turn(cluster)[:n]]
