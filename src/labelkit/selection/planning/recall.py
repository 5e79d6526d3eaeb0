"""How many of the relevant items have been found, and how many are still out there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelkit.engine import NativeFrame
from labelkit.errors import SelectionError
from labelkit.selection.planning.forecast import summarise
from labelkit.selection.planning.state import read_state

_N_DRAWS = 4000


@dataclass(frozen=True)
class Found:
    """Relevant items found by people, against those in the pool.

    ::

        n_found  gold labels of the class
        n_left   estimated number among the unlabeled
        share    n_found / (n_found + n_left)
        low      one-sided lower limit of the share
        level    of that limit
    """

    n_found: int
    n_left: float
    share: float
    low: float
    level: float


def found_share(
    labels: NativeFrame,
    gold: NativeFrame,
    *,
    positive: int = 1,
    level: float = 0.95,
    keys: Sequence[str] = ("query", "item"),
    seed: int = 0,
) -> Found:
    """Share of the pool's relevant items that people have found so far.

    What is left is estimated from the probability sample alone, row by row of the weak class, with
    a prior worth one label in each row: what soft labels promise counts for nothing, since a rule
    that stops by them stops too early just where they are wrong.

    Parameters
    ----------
    labels : weak labels of the pool
    gold : labels so far: ``keys``, ``label``, ``inclusion_probability``, ``round``
    positive : the class to be found
    level : of the lower limit, in (0, 1)

    Raises
    ------
    SelectionError
        Pool or gold cannot be read, or no label was sampled.
    """
    state = read_state(labels, gold, keys=keys)
    if not state.sampled.any():
        raise SelectionError(
            "No gold label was drawn with a probability below 1: labels chosen for their "
            "information cannot say how much is still out there. Audit some (audit_share > 0)."
        )
    rows, k = summarise(state), state.k
    effective = np.divide(rows.w**2, rows.w2, out=np.zeros(k), where=rows.w2 > 0)
    rng = np.random.default_rng(seed)
    share = np.where(rows.w[:, None] > 0, rows.share, 1 / k)
    gamma = np.maximum(
        rng.standard_gamma(effective[:, None] * share + 1 / k, (_N_DRAWS, k, k)), 1e-300
    )
    gamma /= gamma.sum(axis=-1, keepdims=True)
    remainder = np.maximum(rows.size - rows.certain.sum(axis=1), rows.n)
    unseen = np.maximum(remainder - rows.n, 0)
    # The pool is finite: a given rate still leaves the count to chance.
    chance = rng.binomial(unseen.round().astype(np.int64), gamma[:, :, positive])
    known = rows.certain[:, positive].sum() + (rows.n * share[:, positive]).sum()
    found = int((state.truth == positive).sum())
    total = np.maximum(known + chance.sum(axis=1), found)
    middle = rows.certain[:, positive].sum() + (remainder * share[:, positive]).sum()
    left = max(float(middle) - found, 0.0)
    low = float(found / np.quantile(total, level)) if found else 0.0
    return Found(found, left, found / (found + left) if found + left else 0.0, low, level)
