"""BADGE: k-means++ on the gradients that the likely labels would cause."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError
from labelkit.selection.batches.candidates import BatchTask, IntArray, best
from labelkit.selection.batches.distances import as_rows, squared_norms, to_point

FACTOR = 20
"""Candidates per example of the batch; beyond them gradients are short and hardly ever drawn."""


def badge(task: BatchTask, n: int) -> IntArray:
    """Draw by k-means++ over gradient embeddings (p - e_ŷ) ⊗ x of the ``20 n`` longest of them.

    Gradients are never written out: |u ⊗ x - v ⊗ z|² = |u|²|x|² + |v|²|z|² - 2 (u·v)(x·z).

    Notes
    -----
    Ash et al. (2020), Deep batch active learning by diverse, uncertain gradient lower bounds,
    algorithm 1, for a model that is linear in its features.
    """
    features = task.need_features("badge")
    p = task.probabilities
    if p is None:
        raise SelectionError("strategy = 'badge' needs class probabilities.")
    likely = p.argmax(axis=1)
    push = np.array(p, dtype=np.float32)
    push[np.arange(len(p)), likely] -= 1
    length = (push**2).sum(axis=1) * squared_norms(as_rows(features))
    among = best(
        BatchTask(length.astype(np.float64), task.rng), min(max(FACTOR * n, 1_000), len(task))
    )
    rows, push = as_rows(features[among]), push[among]
    own = length[among].astype(np.float64)
    x_norms = squared_norms(rows)

    def distance_to(at: int) -> npt.NDArray[np.float64]:
        inner = (x_norms + x_norms[at] - to_point(rows, x_norms, at)) / 2
        away = own + own[at] - 2 * (push @ push[at]) * inner
        return np.asarray(np.maximum(away, 0), dtype=np.float64)

    chosen = [0]  # the longest gradient
    away = distance_to(0)
    away[0] = 0
    while len(chosen) < min(n, len(among)):
        total = away.sum()
        if total <= 0:  # what is left repeats what is chosen
            rest = np.setdiff1d(np.arange(len(among)), chosen)
            chosen += task.rng.permutation(rest)[: n - len(chosen)].tolist()
            break
        at = int(np.searchsorted(np.cumsum(away), task.rng.random() * total, side="right"))
        at = min(at, len(away) - 1)
        chosen.append(at)
        away = np.minimum(away, distance_to(at))
        away[chosen] = 0
    drawn: IntArray = among[np.array(chosen, dtype=np.int64)]
    return drawn
