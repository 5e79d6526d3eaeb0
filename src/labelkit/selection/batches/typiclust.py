"""TypiClust: for a cold start, the most typical example of each cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelkit.selection.batches.candidates import FACTOR, BatchTask, IntArray
from labelkit.selection.batches.clustering import clusters
from labelkit.selection.batches.distances import narrowed, stacked
from labelkit.selection.features import is_sparse
from labelkit.selection.ordering import place_within

NEIGHBOURS = 20
"""Neighbours that make an example typical; Hacohen et al. (2022) use 20."""
SAMPLE = 10_000
"""Larger pools are represented by a random sample of so many examples, or of ten times n."""
_BLOCK = 1_024


def typiclust(task: BatchTask, n: int) -> IntArray:
    """The densest example of each of n clusters, clusters without a labeled example first.

    Scores are not looked at: with next to no labels they are noise.

    Notes
    -----
    Hacohen, Dekel & Weinshall (2022), Active learning on a budget: opposite strategies suit high
    and low budgets, algorithm 1: typicality is one over the mean distance to the nearest
    neighbours in the same cluster.
    """
    features = task.need_features("typiclust")
    size = min(len(task), max(SAMPLE, FACTOR * n))
    among = np.sort(task.rng.choice(len(task), size, replace=False)).astype(np.int64)
    rows, known = features.take(among), 0
    if task.labeled is not None and len(task.labeled):
        known = min(len(task.labeled), size)
        some = task.rng.choice(len(task.labeled), known, replace=False)
        rows = stacked(rows, task.labeled.take(some))
    rows = narrowed(rows, task.rng)
    cluster = clusters(rows, min(n + known, rows.shape[0]), task.rng)
    ours = cluster[:size]
    typical = np.argsort(-typicality(rows, cluster)[:size], kind="stable")
    taken = np.bincount(cluster[size:], minlength=int(cluster.max()) + 1)[ours[typical]] > 0
    numbers = np.bincount(ours, minlength=int(cluster.max()) + 1)[ours[typical]]
    # The most typical of each; clusters without a label first, large ones before small ones.
    order = np.lexsort((-numbers, taken, place_within(ours[typical])))
    chosen: IntArray = among[typical[order[:n]]]
    return chosen


def typicality(rows: Any, cluster: IntArray) -> npt.NDArray[np.float64]:
    """(n,) one over the mean distance to the nearest neighbours in the same cluster; 0 alone."""
    density = np.zeros(rows.shape[0])
    order = np.argsort(cluster, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1):
        k = min(NEIGHBOURS, len(members) - 1)
        if k < 1:
            continue
        part = rows[members]
        part = part.toarray() if is_sparse(part) else part
        norms = np.einsum("nd,nd->n", part, part)
        for start in range(0, len(members), _BLOCK):
            few = slice(start, start + _BLOCK)
            away = norms[few, None] + norms[None, :] - 2 * part[few] @ part.T
            # Each row is nearest to itself, at 0: one more neighbour is asked for.
            near = np.partition(np.maximum(away, 0), k, axis=1)[:, : k + 1]
            density[members[few]] = 1 / (np.sqrt(near).sum(axis=1) / k + 1e-6)
    return density
