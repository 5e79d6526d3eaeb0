"""k-center: again and again, what is farthest from everything chosen."""

from __future__ import annotations

import numpy as np

from labelkit.selection.batches.candidates import BatchTask, IntArray, best
from labelkit.selection.batches.distances import as_rows, squared_norms, to_nearest, to_point

FACTOR = 10
"""Candidates per example of the batch."""


def k_center(task: BatchTask, n: int) -> IntArray:
    """Greedy k-center of the ``10 n`` best by score, and around what is labeled already.

    The largest distance of a candidate to the chosen is at most twice the smallest possible
    (Gonzalez 1985). Without scores (all equal) the candidates are a random sample of the pool.

    Notes
    -----
    Sener & Savarese (2018), Active learning for convolutional neural networks: a core-set
    approach, algorithm 1, on candidates, so that its cost does not grow with the pool.
    """
    task.need_features("k_center")
    among = best(task, min(FACTOR * n, len(task)))
    rows = as_rows(task.features[among])
    norms = squared_norms(rows)
    chosen = np.empty(min(n, len(among)), dtype=np.int64)
    if task.labeled is not None and task.labeled.shape[0]:
        away = to_nearest(rows, norms, as_rows(task.labeled))
    else:
        away = np.full(len(among), np.inf, dtype=np.float32)
    for number in range(len(chosen)):
        # Among equals the first, which has the better score.
        at = int(away.argmax())
        chosen[number] = at
        away = np.minimum(away, to_point(rows, norms, at))
        away[at] = -1
    return among[chosen]
