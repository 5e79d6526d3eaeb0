"""TypiClust: for a cold start, the most typical example of each cluster."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelkit.selection.batches.candidates import BatchTask, IntArray
from labelkit.selection.batches.cluster_margin import clusters, in_turn
from labelkit.selection.batches.distances import as_rows

NEIGHBOURS = 20
"""Neighbours that make an example typical; Hacohen et al. (2022) use 20."""
SAMPLE = 20_000
"""Larger pools are represented by a random sample of so many examples."""


def typiclust(task: BatchTask, n: int) -> IntArray:
    """The densest example of each of n clusters, clusters without a labeled example first.

    Scores are not looked at: with next to no labels they are noise.

    Notes
    -----
    Hacohen, Dekel & Weinshall (2022), Active learning on a budget: opposite strategies suit high
    and low budgets, algorithm 1: typicality is one over the mean distance to the nearest
    neighbours in the same cluster. Pools beyond 20,000 examples are sampled first.
    """
    features = task.need_features("typiclust")
    size = min(len(task), max(SAMPLE, 10 * n))
    among = np.sort(task.rng.choice(len(task), size, replace=False)).astype(np.int64)
    rows = as_rows(features[among])
    known = 0
    if task.labeled is not None and task.labeled.shape[0]:
        rows, known = _stacked(rows, as_rows(task.labeled)), task.labeled.shape[0]
    cluster = clusters(rows, min(n + known, rows.shape[0]), task.rng)
    density = _typicality(rows, cluster)
    pool = np.arange(len(among))
    taken = np.bincount(cluster[len(among) :], minlength=int(cluster.max()) + 1)
    # Clusters without a label first, large ones before small ones; the most typical of each.
    typical = np.argsort(-density[pool], kind="stable")
    turn = typical[in_turn(cluster[typical])]
    numbers = np.bincount(cluster[pool], minlength=len(taken))
    place = _place(cluster[turn])
    order = np.lexsort((-numbers[cluster[turn]], taken[cluster[turn]] > 0, place))
    typical_first: IntArray = among[turn[order[:n]]]
    return typical_first


def _place(group: IntArray) -> IntArray:
    """For each element, how many before it are of the same group."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    place = np.empty(len(group), dtype=np.int64)
    lengths = np.diff(np.r_[starts, len(ordered)])
    place[order] = np.arange(len(ordered)) - np.repeat(starts, lengths)
    return place


def _typicality(rows: Any, cluster: IntArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(n,) one over the mean distance to the nearest neighbours in the same cluster."""
    from sklearn.neighbors import NearestNeighbors

    density = np.zeros(rows.shape[0])
    order = np.argsort(cluster, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1):
        k = min(NEIGHBOURS, len(members) - 1)
        if k < 1:
            continue
        part = rows[members]
        away, _ = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(part).kneighbors(part)
        density[members] = 1 / (away[:, 1:].mean(axis=1) + 1e-12)
    return density


def _stacked(above: Any, below: Any) -> Any:
    if hasattr(above, "tocsr"):
        from scipy.sparse import csr_matrix, vstack

        return vstack([above, csr_matrix(below)]).tocsr()
    return np.vstack([above, below])
