"""Strategies by name, and ``choose``: a batch from arrays, for a loop of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelkit.errors import SelectionError
from labelkit.selection.batches.badge import badge
from labelkit.selection.batches.candidates import (
    BatchStrategy,
    BatchTask,
    FloatArray,
    IntArray,
    best,
)
from labelkit.selection.batches.cluster_margin import cluster_margin
from labelkit.selection.batches.cluster_power import cluster_power
from labelkit.selection.batches.k_center import k_center
from labelkit.selection.batches.stochastic import power, softmax
from labelkit.selection.batches.typiclust import typiclust
from labelkit.selection.features import FeatureRows, as_matrix
from labelkit.selection.scores import margin

BATCHES: dict[str, BatchStrategy] = {
    "top": best,
    "cluster_power": cluster_power,
    "cluster_margin": cluster_margin,
    "k_center": k_center,
    "badge": badge,
    "typiclust": typiclust,
    "power": power,
    "softmax": softmax,
}
"""Name of a strategy to the function that chooses n of a task."""

DEFAULT = "cluster_power"
"""Where there are features and nothing else is asked for."""

NEEDS_FEATURES = frozenset({"cluster_power", "cluster_margin", "k_center", "badge", "typiclust"})
"""Strategies that look at features."""


def choose(
    strategy: str | BatchStrategy,
    n: int,
    *,
    score: FloatArray | None = None,
    features: Any = None,
    probabilities: FloatArray | None = None,
    labeled: Any = None,
    rng: np.random.Generator | int = 0,
) -> IntArray:
    """Choose ``n`` examples, as arrays: for a loop of one's own, without the sampling design.

    Parameters
    ----------
    strategy : name in ``BATCHES``, or a function of a ``BatchTask`` and n
    n : examples to choose, at least one and at most all
    score : (N,) how much an answer would tell; the margin of ``probabilities`` unless given, and
        all alike without either
    features : (N, d) dense or sparse
    probabilities : (N, k) class probabilities
    labeled : (m, d) features of what is labeled already
    rng : generator or seed

    Returns
    -------
    (n,) int64 positions, the most wanted first.

    Raises
    ------
    SelectionError
        Shapes do not fit, or the strategy needs what is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from labelkit.selection.batches import choose
    >>> x = np.array([[0.0], [0.1], [5.0], [9.0]])
    >>> p = np.array([[0.5, 0.5], [0.49, 0.51], [0.45, 0.55], [0.01, 0.99]])
    >>> sorted(choose("cluster_margin", 2, probabilities=p, features=x).tolist())
    [0, 2]
    """
    matrix = None if features is None else as_matrix(features)
    if score is None and probabilities is not None:
        score = margin(np.asarray(probabilities, dtype=np.float64))
    elif score is None and matrix is not None:
        score = np.ones(matrix.shape[0])
    elif score is None:
        raise SelectionError("There is nothing to choose from: give probabilities= or features=.")
    sizes = {len(score)}
    sizes |= set() if matrix is None else {matrix.shape[0]}
    sizes |= set() if probabilities is None else {len(probabilities)}
    if len(sizes) > 1:
        raise SelectionError(f"score, probabilities and features differ in length: {sizes}.")
    if not 1 <= n <= len(score):
        raise SelectionError(f"{n:,} of {len(score):,} examples cannot be chosen.")
    if not np.isfinite(score).all():
        raise SelectionError(f"{int((~np.isfinite(score)).sum()):,} scores are not finite.")
    task = BatchTask(
        np.asarray(score),
        np.random.default_rng(rng),
        None if matrix is None else FeatureRows(matrix),
        probabilities,
        None if labeled is None else FeatureRows(as_matrix(labeled, name="labeled")),
    )
    return checked(named(strategy)(task, n), n, len(score), strategy)


def named(strategy: str | BatchStrategy) -> BatchStrategy:
    """The function of this name, or the function itself.

    Raises
    ------
    SelectionError
        There is none.
    """
    if callable(strategy):
        return strategy
    if strategy not in BATCHES:
        raise SelectionError(
            f"strategy = {strategy!r} is not known; choose from {', '.join(map(repr, BATCHES))}."
        )
    return BATCHES[strategy]


def checked(chosen: Any, n: int, size: int, strategy: str | BatchStrategy) -> IntArray:
    """What a strategy chose, if it is n different positions of a pool of this size.

    Raises
    ------
    SelectionError
        It is not: a strategy of one's own must not draw an example twice.
    """
    positions = np.asarray(chosen, dtype=np.int64).ravel()
    inside = ((positions >= 0) & (positions < size)).all()
    if len(positions) != n or not inside or len(np.unique(positions)) != n:
        name = strategy if isinstance(strategy, str) else getattr(strategy, "__name__", "?")
        raise SelectionError(
            f"The strategy {name} was asked for {n:,} of {size:,} examples and gave "
            f"{len(positions):,} positions, {len(np.unique(positions)):,} different ones"
            + ("." if inside else ", some outside the pool.")
        )
    return positions
