"""Beta–Bernoulli: the debiased click rate where clicks are trials, which matters for γ near 1.

P(c | γ) = Π_k (θ_k γ + β_k)^c_k (1 − θ_k γ − β_k)^(n_k − c_k), γ ~ Beta(a, b) on [0, 1]. The
Poisson posterior has the same mean where clicks are rare, and is wider where they are not: at a
slot with θ = 1 its variance is γ/n against γ(1 − γ)/n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias import Propensities
from labelkit.engine import collect
from labelkit.evidence.quadrature import Posterior, integrate
from labelkit.evidence.slots import cells_of, join_slots
from labelkit.logs import InteractionLog, PositionCounts

FloatArray = npt.NDArray[np.float64]

TINY = 1e-12


@dataclass(frozen=True)
class SlotCounts:
    """Clicks and misses per example and slot, in NumPy.

    ::

        example  (c,) 0 … n_examples−1, in the order of query and item
        slot     (c,) slot of the curve; those that it does not know are left out
        clicks, misses  (c,)
    """

    example: npt.NDArray[np.int64]
    slot: npt.NDArray[np.int64]
    clicks: FloatArray
    misses: FloatArray
    n_examples: int

    def dense(self, start: int, stop: int, n_slots: int) -> tuple[FloatArray, FloatArray]:
        """Clicks and misses of examples start … stop−1, each (stop − start, n_slots)."""
        low, high = np.searchsorted(self.example, [start, stop])
        place = (self.example[low:high] - start) * n_slots + self.slot[low:high]
        size, shape = (stop - start) * n_slots, (stop - start, n_slots)
        clicks = np.bincount(place, self.clicks[low:high], size)
        misses = np.bincount(place, self.misses[low:high], size)
        return clicks.reshape(shape).astype(np.float64), misses.reshape(shape).astype(np.float64)


def slot_counts(log: InteractionLog, curve: Propensities) -> SlotCounts:
    """Counts per example and slot, examples sorted as the cells are."""
    cells: nw.LazyFrame[Any] = join_slots(log, cells_of(log, curve).lazy(), curve, clip=1.0)
    columns = ["query", "item", "slot", "known", "impressions", "clicks"]
    table = collect(cells.select(columns)).sort("query", "item", "slot")
    known = table["known"].to_numpy() > 0
    counts = PositionCounts.from_cells(table.drop("known").rename({"slot": "position"}))
    kept = counts.where(known)
    return SlotCounts(
        kept.example,
        kept.position,
        kept.clicks.astype(np.float64),
        (kept.impressions - kept.clicks).astype(np.float64),
        counts.n_examples,
    )


def bernoulli_posterior(
    counts: SlotCounts, curve: Propensities, *, a: FloatArray, b: FloatArray, level: float
) -> Posterior:
    """Posterior of γ per example, (n_examples,), by integration.

    Parameters
    ----------
    a, b : (n_examples,) of the Beta prior; b ≥ 1, so that there is no pole at 1

    Notes
    -----
    Where an estimated θ_k γ + β_k would exceed 1, it counts as just below 1.
    """
    theta = np.nan_to_num(curve.theta, nan=0.0)
    background = np.nan_to_num(curve.background, nan=0.0)
    power = np.minimum(a, 1.0)

    def log_density(gamma: FloatArray, rows: slice) -> FloatArray:
        clicks, misses = counts.dense(rows.start, rows.stop, len(theta))
        density: FloatArray = (a - power)[rows, None] * np.log(np.maximum(gamma, 1e-300))
        density += (b[rows, None] - 1) * np.log1p(-np.minimum(gamma, 1 - TINY))
        for k in np.flatnonzero((clicks + misses).sum(0)):
            chance = np.clip(theta[k] * gamma + background[k], TINY, 1 - TINY)
            density += clicks[:, k, None] * np.log(chance)
            density += misses[:, k, None] * np.log1p(-chance)
        return density

    return integrate(log_density, np.ones(counts.n_examples), power=power, level=level)
