"""Beta–Bernoulli: the debiased click rate where clicks are trials, which matters for γ near 1.

P(c | γ) = Π_k (θ_k γ + β_k)^c_k (1 − θ_k γ − β_k)^(n_k − c_k), γ ~ Beta(a, b) on [0, 1]. The
Poisson posterior has the same mean where clicks are rare, and is wider where they are not: at a
known slot with θ = 1 its variance is γ/n against γ(1 − γ)/n.
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

# Marginal likelihood of the prior: a sample of examples, each with at most this many impressions
# (more only sharpen what one example says of the spread of all), over a fixed grid of rates.
MOST_EXAMPLES = 20_000
MOST_IMPRESSIONS = 2_000.0
GRID = 400
TINY = 1e-12


@dataclass(frozen=True)
class BetaPrior:
    """Beta(a, b) over attractiveness γ in [0, 1]; b ≥ 1, so that there is no pole at 1."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)


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
        size = (stop - start) * n_slots
        clicks = np.bincount(place, self.clicks[low:high], size)
        misses = np.bincount(place, self.misses[low:high], size)
        shape = (stop - start, n_slots)
        return clicks.reshape(shape).astype(np.float64), misses.reshape(shape).astype(np.float64)


def slot_counts(log: InteractionLog, curve: Propensities) -> SlotCounts:
    """Counts per example and slot, examples sorted as the cells are."""
    cells: nw.LazyFrame[Any] = join_slots(log, cells_of(log, curve).lazy(), curve, clip=1.0)
    columns = ["query", "item", "slot", "known", "impressions", "clicks"]
    table = collect(cells.select(columns)).sort("query", "item", "slot")
    counts = PositionCounts.from_cells(table.rename({"slot": "position"}))
    known = table["known"].to_numpy() > 0
    kept = counts.where(known)
    return SlotCounts(
        kept.example,
        kept.position,
        kept.clicks.astype(np.float64),
        (kept.impressions - kept.clicks).astype(np.float64),
        counts.n_examples,
    )


def fit_beta_prior(counts: SlotCounts, curve: Propensities) -> BetaPrior:
    """Maximum marginal likelihood of Beta(a, b), over at most 20,000 evenly spaced examples.

    Each example's likelihood is tabled once on a grid of rates, so that the marginal is a product
    of matrix and vector for every prior that is tried (Robbins 1956).
    """
    from scipy.optimize import minimize
    from scipy.special import betaln

    # The grid is even in √γ: most rates are small.
    edges = np.linspace(0, 1, GRID + 1) ** 2
    gamma = (edges[1:] + edges[:-1]) / 2
    stride = max(1, counts.n_examples // MOST_EXAMPLES)
    hit, miss = _log_chances(curve, gamma)
    tables = []
    for start in range(0, counts.n_examples, 100_000):
        stop = min(start + 100_000, counts.n_examples)
        clicks, misses = counts.dense(start, stop, len(curve.positions))
        chosen = np.arange(-start % stride, stop - start, stride)
        clicks, misses = clicks[chosen], misses[chosen]
        shown = (clicks + misses).sum(1, keepdims=True)
        scale = np.minimum(1.0, MOST_IMPRESSIONS / np.maximum(shown, 1))
        table = (clicks * scale) @ hit + (misses * scale) @ miss
        tables.append(np.exp(table - table.max(1, keepdims=True))[shown[:, 0] > 0])
    likelihood = np.concatenate(tables)

    def negative(x: FloatArray) -> float:
        a, b = _beta_of(x)
        # The mass of a cell from its log density at the middle; the first reaches down to 0.
        log_mass = (a - 1) * np.log(gamma) + (b - 1) * np.log1p(-gamma) - betaln(a, b)
        mass = np.exp(log_mass) * np.diff(edges)
        mass[0] = edges[1] ** a / a / np.exp(betaln(a, b))
        return -float(np.log(np.maximum(likelihood @ (mass / mass.sum()), 1e-300)).mean())

    best = minimize(
        negative, np.array([-1.0, 1.0]), method="L-BFGS-B", bounds=[(-4.0, 4.0), (-4.0, 6.0)]
    )
    return BetaPrior(*_beta_of(best.x))


def _beta_of(x: FloatArray) -> tuple[float, float]:
    return float(np.exp(x[0])), 1.0 + float(np.exp(x[1]))


def bernoulli_posterior(
    counts: SlotCounts, curve: Propensities, prior: BetaPrior, *, level: float
) -> Posterior:
    """Posterior of γ per example, (n_examples,), by integration.

    Notes
    -----
    Where an estimated θ_k γ + β_k would exceed 1, it counts as just below 1.
    """
    theta, background = _slots(curve)
    power = min(prior.a, 1.0)
    n_slots = len(theta)

    def log_density(gamma: FloatArray, rows: slice) -> FloatArray:
        clicks, misses = counts.dense(rows.start, rows.stop, n_slots)
        density: FloatArray = (prior.a - power) * np.log(gamma) + (prior.b - 1) * np.log1p(
            -np.minimum(gamma, 1 - TINY)
        )
        for k in np.flatnonzero((clicks + misses).sum(0)):
            chance = np.clip(theta[k] * gamma + background[k], TINY, 1 - TINY)
            density += clicks[:, k, None] * np.log(chance)
            density += misses[:, k, None] * np.log1p(-chance)
        return density

    return integrate(log_density, np.ones(counts.n_examples), power=power, level=level)


def _log_chances(curve: Propensities, gamma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """log P(click) and log P(no click) per slot and rate, each (S, g)."""
    theta, background = _slots(curve)
    chance = np.clip(theta[:, None] * gamma + background[:, None], TINY, 1 - TINY)
    return np.log(chance), np.log1p(-chance)


def _slots(curve: Propensities) -> tuple[FloatArray, FloatArray]:
    return np.nan_to_num(curve.theta, nan=0.0), np.nan_to_num(curve.background, nan=0.0)
