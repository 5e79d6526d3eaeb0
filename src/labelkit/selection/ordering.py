"""The best by score, places within groups, and taking groups in turn: what every batch needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]


def best(score: FloatArray, tie: FloatArray, size: int) -> IntArray:
    """The ``size`` highest (score, tie) pairs, best first, without sorting the rest."""
    if size < len(score):
        threshold = np.partition(score, len(score) - size)[len(score) - size]
        among = np.flatnonzero(score >= threshold)
    else:
        among = np.arange(len(score))
    order = np.lexsort((tie[among], -score[among]))
    found: IntArray = among[order[:size]].astype(np.int64)
    return found


def place_within(group: IntArray) -> IntArray:
    """For each element, how many before it are of the same group."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    place = np.arange(len(group)) - np.repeat(starts, np.diff(np.r_[starts, len(group)]))
    result = np.empty(len(group), dtype=np.int64)
    result[order] = place
    return result


def in_turn(group: IntArray) -> IntArray:
    """Positions in the order of a round-robin over the groups, small groups first.

    Within a group the order of the elements, which is best first.
    """
    if not len(group):
        return np.zeros(0, dtype=np.int64)
    size = np.bincount(group)[group]
    order = np.lexsort((np.arange(len(group)), size, place_within(group)))
    return np.asarray(order, dtype=np.int64)


def at_most(score: FloatArray, tie: FloatArray, group: IntArray, most: int) -> IntArray:
    """Positions of the ``most`` best of each group, in ascending order."""
    order = np.lexsort((tie, -score, group))
    kept = order[place_within(group[order]) < most]
    return np.sort(kept).astype(np.int64)
