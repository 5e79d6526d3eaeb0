"""Cluster-power: of uncertain examples drawn by chance, the most central of each cluster."""

from __future__ import annotations

import numpy as np

from labelkit.selection.batches.candidates import BatchTask, IntArray, n_candidates
from labelkit.selection.batches.clustering import clusters, to_centre
from labelkit.selection.batches.distances import narrowed
from labelkit.selection.batches.stochastic import power
from labelkit.selection.ordering import in_turn

_LEAST = 1e-3


def cluster_power(task: BatchTask, n: int) -> IntArray:
    """Draw ``10 n`` by score with chance, cluster them by score, take the most central of each.

    Two guards against a score that is wrong in a systematic way, as it is while a learner knows
    little: chance, so that not all candidates share the reason for which the score favours them;
    and the middle of clusters, since what is uncertain because it is odd teaches about nobody else.

    Parameters
    ----------
    task : with features, and scores of 0 and more
    n : examples to choose

    Returns
    -------
    (n,) positions, small clusters first

    Notes
    -----
    Weighted k-means with the example nearest to each centre is Zhdanov (2019), Diverse mini-batch
    active learning; drawing the candidates is Kirsch et al. (2023), see ``power``.
    """
    features = task.need_features("cluster_power")
    among = power(task, n_candidates(task, n))
    if len(among) <= n:
        return among
    rows = narrowed(features.take(among), task.rng)
    score = np.asarray(task.score[among], dtype=np.float64)
    # Weights that are all 0 would leave no centre anywhere.
    weight = np.maximum(score / max(float(score.max()), 1e-300), _LEAST)
    cluster = clusters(rows, n, task.rng, weight=weight)
    central = np.argsort(to_centre(rows, cluster, weight), kind="stable")
    return among[central[in_turn(cluster[central])[:n]]]
