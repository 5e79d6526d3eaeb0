"""BADGE: k-means++ on the gradients that the likely labels would cause."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError
from labelkit.selection.batches.candidates import BatchTask, IntArray, candidates
from labelkit.selection.batches.distances import one_thread, to_point
from labelkit.selection.features import Float32Array, squared_norms


def badge(task: BatchTask, n: int) -> IntArray:
    """Draw by k-means++ over gradient embeddings (p - e_ŷ) ⊗ x of the ``10 n`` longest of them.

    Gradients are never written out: |u ⊗ x - v ⊗ z|² = |u|²|x|² + |v|²|z|² - 2 (u·v)(x·z). Examples
    whose score is 0 are certain, or nothing is known of them: they come last.

    Notes
    -----
    Ash et al. (2020), Deep batch active learning by diverse, uncertain gradient lower bounds,
    algorithm 1, for a model that is linear in its features (and an intercept), on candidates:
    short gradients are hardly ever drawn.
    """
    features = task.need_features("badge")
    if task.probabilities is None:
        raise SelectionError("strategy = 'badge' needs class probabilities.")
    push = pushes(task.probabilities)
    length = squared_norms(push) * (features.squared_norms() + 1)
    length[task.score <= 0] = 0
    among = candidates(BatchTask(length, task.rng), n)
    with one_thread():
        seeds = _plus_plus(features.take(among), push[among], min(n, len(among)), task.rng)
    return among[seeds]


def pushes(p: npt.NDArray[Any]) -> Float32Array:
    """Gradient of the log loss in the logits when the likeliest class is the label, (n, k)."""
    push = np.array(p, dtype=np.float32)
    push[np.arange(len(p)), p.argmax(axis=1)] -= 1
    return push


def _plus_plus(rows: Any, push: Float32Array, n: int, rng: np.random.Generator) -> IntArray:
    """n seeds of k-means++ among gradients of which the first is the longest."""
    x_norms = squared_norms(rows)
    own = squared_norms(push) * (x_norms + 1)
    # x·z = (|x|² + |z|² - |x - z|²) / 2, and 1 for the intercept: one code for dense and sparse.
    half = x_norms / 2 + 1
    chosen = np.empty(n, dtype=np.int64)
    away = np.full(len(own), np.inf, dtype=np.float32)
    reach = np.zeros(len(own))
    at, total = 0, np.inf
    for number in range(n):
        if number and total <= 0:  # what is left repeats what is chosen
            rest = np.setdiff1d(np.arange(len(own)), chosen[:number])
            chosen[number:] = rng.permutation(rest)[: n - number]
            break
        if number:
            drawn = np.searchsorted(reach, np.array([rng.random() * total]), side="right")
            at = min(int(drawn[0]), len(own) - 1)
        chosen[number] = at
        inner = half + (half[at] - 1) - to_point(rows, x_norms, at) / 2
        new = own + (own[at] - 2 * (push @ push[at]) * inner)
        np.minimum(away, np.maximum(new, 0, out=new), out=away)
        # Rounding leaves a chosen gradient, and those that repeat it, a hair from itself.
        away[away <= 1e-6 * own] = 0
        away[at] = 0
        np.cumsum(away, dtype=np.float64, out=reach)
        total = float(reach[-1])
    return chosen
