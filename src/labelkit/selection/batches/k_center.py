"""k-center: again and again, what is farthest from everything chosen."""

from __future__ import annotations

import numpy as np

from labelkit.selection.batches.candidates import BatchTask, IntArray, candidates
from labelkit.selection.batches.distances import one_thread, to_nearest, to_point
from labelkit.selection.features import squared_norms


def k_center(task: BatchTask, n: int) -> IntArray:
    """Greedy k-center of the ``10 n`` best by score, and around what is labeled already.

    The largest distance of a candidate to the chosen is at most twice the smallest possible
    (Gonzalez 1985). Without scores (all equal) the candidates are a random sample of the pool.

    Notes
    -----
    Sener & Savarese (2018), Active learning for convolutional neural networks: a core-set
    approach, algorithm 1, on candidates, so that its cost does not grow with the pool.
    """
    features = task.need_features("k_center")
    among = candidates(task, n)
    rows = features.take(among)
    norms = squared_norms(rows)
    chosen = np.empty(min(n, len(among)), dtype=np.int64)
    if task.labeled is not None and len(task.labeled):
        away = to_nearest(rows, norms, task.labeled.take(slice(None)))
    else:
        away = np.full(len(among), np.inf, dtype=np.float32)
    with one_thread():
        for number in range(len(chosen)):
            # Among equals the first, which has the better score.
            at = int(away.argmax())
            chosen[number] = at
            np.minimum(away, to_point(rows, norms, at), out=away)
            away[at] = -1
    return among[chosen]
