"""Poisson position-based model, solved through its profile likelihood.

With γ_e profiled out, the Poisson likelihood of the position-based model is the conditional
(multinomial) likelihood of *where* an example's C_e clicks fell:

    ℓ(β) = Σ_e Σ_k c_ek β_k − C_e log Σ_k n_ek exp(β_k),     β_k = log θ_k, β_1 = 0

which is concave in β, has K − 1 parameters however many examples there are, and is touched only
by examples that have clicks and were shown at two or more positions. Its maximum is the fixed
point of the alternation γ_e = C_e/Σ θ_k n_ek, θ_k = Σ c_ek/Σ γ_e n_ek (Zhang & Jones 2007); Newton
gets there in a handful of steps and proves it by the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from labelkit.logs import PositionCounts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClickedCells:
    """The cells that carry information on θ: examples with clicks, shown at ≥ 2 positions.

    ::

        segment   (c,) example, 0 … E-1, ascending
        starts    (E,) first cell of each example
        index     (c,) index into ``positions``
        n, clicks (c,) impressions and clicks
        query     (E,) query of each example
        example   (E,) its index in the counts
        positions (K,) all positions of the log

    Sums of clicks need not be whole: weighted cells have the same likelihood.
    """

    segment: IntArray
    starts: IntArray
    index: IntArray
    n: FloatArray
    clicks: FloatArray
    query: IntArray
    example: IntArray
    positions: IntArray

    @classmethod
    def of(cls, counts: PositionCounts, positions: IntArray | None = None) -> ClickedCells:
        if positions is None:
            positions = counts.positions
        shown = counts.impressions > 0
        size = counts.n_examples
        n_shown = np.bincount(counts.example[shown], minlength=size)
        n_clicks = np.bincount(counts.example, weights=counts.clicks, minlength=size)
        keep = shown & ((n_shown >= 2) & (n_clicks > 0))[counts.example]
        kept = counts.where(keep)
        new = np.ones(len(kept), dtype=bool)
        new[1:] = kept.example[1:] != kept.example[:-1]
        starts = np.flatnonzero(new)
        # A table is quicker than a search; positions are small numbers.
        place = np.zeros(int(positions[-1]) + 1, dtype=np.int64)
        place[positions] = np.arange(len(positions))
        return cls(
            segment=np.cumsum(new) - 1,
            starts=starts,
            index=place[kept.position],
            n=kept.impressions.astype(np.float64),
            clicks=kept.clicks.astype(np.float64),
            query=kept.query[starts],
            example=kept.example[starts],
            positions=positions,
        )

    @cached_property
    def totals(self) -> FloatArray:
        """Clicks per example C_e, (E,)."""
        return self.sum_by_example(self.clicks)

    def sum_by_example(self, values: FloatArray) -> FloatArray:
        if not len(self.starts):
            return np.zeros(0)
        return np.add.reduceat(values, self.starts)

    def sum_by_position(self, values: FloatArray) -> FloatArray:
        sums = np.bincount(self.index, weights=values, minlength=len(self.positions))
        return sums.astype(np.float64)


@dataclass(frozen=True)
class PoissonFit:
    """Maximum of the penalised profile likelihood.

    ::

        beta      (K,) log θ, 0 at the reference position
        curvature (K, K) penalised information there
        gradient  largest absolute component left, in clicks
        n_steps   Newton steps taken
        converged whether ``gradient`` fell under the tolerance
    """

    beta: FloatArray
    curvature: FloatArray
    gradient: float
    n_steps: int
    converged: bool


def smoothing_matrix(positions: IntArray, scale: float) -> FloatArray:
    """Precision (K, K) of a random walk of log θ in log k, with deviation ``scale`` per e-fold.

    It ties a position to its neighbours with the weight of about one click, which keeps sparse
    deep positions finite, and vanishes against real data. It knows nothing of any level.
    """
    size = len(positions)
    precision = np.zeros((size, size))
    if size < 2 or not np.isfinite(scale):
        return precision
    weight = 1 / (scale**2 * np.diff(np.log(positions)))
    edge = np.arange(size - 1)
    precision[edge, edge] += weight
    precision[edge + 1, edge + 1] += weight
    precision[edge, edge + 1] = precision[edge + 1, edge] = -weight
    return precision


def score_and_information(
    beta: FloatArray, cells: ClickedCells, weight: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Gradient (K,) and Fisher information (K, K) of ℓ at ``beta``.

    The information is the Laplacian of the graph whose nodes are positions: edge (k, k′) weighs
    Σ_e C_e p_ek p_ek′. Identifiability is its connectedness.

    Parameters
    ----------
    weight : (E,) weights of examples, for the bootstrap
    """
    from scipy import sparse

    shown = cells.n * np.exp(beta)[cells.index]
    totals = cells.totals if weight is None else cells.totals * weight
    share = shown / cells.sum_by_example(shown)[cells.segment]
    clicks = cells.clicks if weight is None else cells.clicks * weight[cells.segment]
    expected = cells.sum_by_position(share * totals[cells.segment])
    shape = (len(cells.starts), len(cells.positions))
    scaled = share * np.sqrt(totals)[cells.segment]
    pointers = np.append(cells.starts, len(cells.segment))
    matrix = sparse.csr_matrix((scaled, cells.index, pointers), shape=shape)
    information = np.diag(expected) - (matrix.T @ matrix).toarray()
    return cells.sum_by_position(clicks) - expected, information


def fit_poisson(
    cells: ClickedCells,
    *,
    smoothing: float,
    reference: int = 0,
    weight: FloatArray | None = None,
    start: FloatArray | None = None,
    tolerance: float = 1e-6,
    max_steps: int = 100,
) -> PoissonFit:
    """Newton's method with step halving; the penalised likelihood is strictly concave.

    Parameters
    ----------
    smoothing : see ``smoothing_matrix``; infinite for the plain maximum-likelihood fit
    reference : index of the position whose θ is 1
    tolerance : on the largest gradient component, relative to the clicks in it
    """
    size = len(cells.positions)
    penalty = smoothing_matrix(cells.positions, smoothing)
    free = np.arange(size) != reference
    beta = np.zeros(size) if start is None else start - start[reference]
    scale = max(float(cells.clicks.sum()), 1.0)
    gradient, information = _penalised(beta, cells, weight, penalty)
    for step in range(max_steps):
        worst = float(np.abs(gradient[free]).max(initial=0))
        if worst <= tolerance * scale:
            return PoissonFit(beta, information, worst, step, True)
        direction = np.zeros(size)
        # Tiny diagonal: without smoothing, a position that no click touches has no curvature.
        curvature = information[np.ix_(free, free)] + 1e-9 * np.eye(int(free.sum()))
        direction[free] = np.linalg.solve(curvature, gradient[free])
        # A concave function is overshot only far from its maximum; log θ moves by at most 2 a step.
        direction *= min(1.0, 2.0 / max(float(np.abs(direction).max()), 1e-12))
        length = 1.0
        while True:
            moved = beta + length * direction
            new_gradient, new_information = _penalised(moved, cells, weight, penalty)
            # On a concave ridge the slope along the step may not turn steeply negative.
            if new_gradient @ direction >= -0.9 * (gradient @ direction) or length < 1e-3:
                break
            length /= 2
        beta, gradient, information = moved, new_gradient, new_information
    worst = float(np.abs(gradient[free]).max(initial=0))
    return PoissonFit(beta, information, worst, max_steps, worst <= tolerance * scale)


def _penalised(
    beta: FloatArray, cells: ClickedCells, weight: FloatArray | None, penalty: FloatArray
) -> tuple[FloatArray, FloatArray]:
    gradient, information = score_and_information(beta, cells, weight)
    return gradient - penalty @ beta, information + penalty
