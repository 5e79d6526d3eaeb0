"""The certainty stratum: which examples are drawn because of what their answers would tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError
from labelkit.selection.batches import BatchStrategy, BatchTask, checked, named
from labelkit.selection.features import FeatureRows
from labelkit.selection.ordering import at_most, best, place_within
from labelkit.selection.pool import Pool
from labelkit.selection.scoring import Scored

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def informative(
    pool: Pool,
    scored: Scored,
    n: int,
    *,
    strategy: str | BatchStrategy,
    features: FeatureRows | None,
    labeled: FeatureRows | None,
    max_per_query: int | None,
    rng: np.random.Generator,
) -> IntArray:
    """Positions in the pool of the certainty stratum, in the strategy's order, (n,) int64.

    A strategy that spreads a batch sees, of each query, the ``max_per_query`` best by score only:
    so the cap holds whatever it chooses.

    Raises
    ------
    SelectionError
        Cap and duplicates leave fewer than n, or the strategy misbehaves.
    """
    fresh = _fresh(pool, scored.score)
    if strategy == "top":
        return fresh[top(scored.score[fresh], pool.query[fresh], n, max_per_query, rng)]
    if not n:
        return np.empty(0, dtype=np.int64)
    if max_per_query is not None:
        tie = rng.random(len(fresh))
        fresh = fresh[at_most(scored.score[fresh], tie, pool.query[fresh], max_per_query)]
    if len(fresh) < n:
        raise _too_few(len(fresh), n, max_per_query)
    task = BatchTask(
        scored.score[fresh],
        rng,
        None if features is None else features.among(fresh),
        scored.probabilities[fresh],
        labeled,
    )
    return fresh[checked(named(strategy)(task, n), n, len(fresh), strategy)]


def top(
    score: FloatArray,
    query: IntArray,
    n: int,
    max_per_query: int | None,
    rng: np.random.Generator,
) -> IntArray:
    """The ``n`` highest scores, best first, at most ``max_per_query`` of one query.

    Parameters
    ----------
    score : (N,) acquisition scores
    query : (N,) query numbers
    rng : breaks ties

    Returns
    -------
    (n,) int64 positions.

    Raises
    ------
    SelectionError
        The cap leaves fewer than ``n`` examples.
    """
    tie = rng.random(len(score))
    size = n if max_per_query is None else 4 * n
    while n:
        size = min(size, len(score))
        found = best(score, tie, size)
        if max_per_query is not None:
            found = found[place_within(query[found]) < max_per_query]
        if len(found) >= n:
            return np.asarray(found[:n])
        if size == len(score):
            raise _too_few(len(found), n, max_per_query)
        size *= 4
    return np.empty(0, dtype=np.int64)


def _too_few(left: int, n: int, max_per_query: int | None) -> SelectionError:
    if max_per_query is not None:
        return SelectionError(
            f"max_per_query = {max_per_query} leaves {left:,} examples for a certainty "
            f"stratum of {n:,}. Raise the cap, or ask for fewer."
        )
    return SelectionError(
        f"Only {left:,} examples are new and distinct, too few for a certainty "
        f"stratum of {n:,}. Ask for fewer, or leave distinct out."
    )


def _fresh(pool: Pool, score: FloatArray) -> IntArray:
    """Positions that may enter the certainty stratum: the best of each payload, if it is new."""
    if pool.payload is None:
        return np.arange(len(pool))
    order = np.argsort(-score, kind="stable")
    _, first = np.unique(pool.payload[order], return_index=True)
    found = np.sort(order[first])
    return np.asarray(found[~pool.seen[found]], dtype=np.int64)
