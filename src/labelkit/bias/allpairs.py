"""AllPairs intervention harvesting: the same item at two positions is a natural experiment.

For every pair of positions (k, k′), the examples shown at both are compared; each gets the weight
n n′/(n + n′), the precision of a difference of two rates (Agarwal et al. 2019, *Estimating
position bias without intrusive interventions*, section 5). The pairs are then reconciled by the
likelihood of which side each harvested click fell on, which for many clicks is weighted least
squares on log-ratios, and needs no made-up half click where a side has none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.bias.identifiability import next_to_each_other
from labelkit.bias.poisson import ClickedCells, smoothing_matrix

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def harvest(cells: ClickedCells, group: IntArray, n_groups: int) -> FloatArray:
    """Weighted clicks of every ordered pair of positions, per group of examples.

    Parameters
    ----------
    group : (E,) group of each example, 0 … n_groups-1

    Returns
    -------
    (n_groups, K, K) array A, where A[g, k, k′] = Σ_e c_ek n_ek′/(n_ek + n_ek′) over the examples
    of the group that were shown at both k and k′. A ratio A[k, k′]/A[k′, k] estimates θ_k/θ_k′.
    """
    size = len(cells.positions)
    sums = np.zeros(n_groups * size * size)
    n_cells = len(cells.segment)
    longest = int(np.bincount(cells.segment).max(initial=0))
    for offset in range(1, longest):
        left = np.flatnonzero(cells.segment[: n_cells - offset] == cells.segment[offset:])
        right = left + offset
        base = group[cells.segment[left]] * size
        total = cells.n[left] + cells.n[right]
        forward = (base + cells.index[left]) * size + cells.index[right]
        backward = (base + cells.index[right]) * size + cells.index[left]
        sums += np.bincount(forward, cells.clicks[left] * cells.n[right] / total, len(sums))
        sums += np.bincount(backward, cells.clicks[right] * cells.n[left] / total, len(sums))
    return sums.reshape(n_groups, size, size)


def neighbours_only(sums: FloatArray) -> FloatArray:
    """Only the pairs (k, k+1) of ``harvest``: AdjacentChain (Agarwal et al. 2019, section 5).

    It needs less variation of rankings than AllPairs uses, and pays with errors that add up along
    the chain.
    """
    neighbours: FloatArray = np.where(next_to_each_other(sums.shape[-1]), sums, 0.0)
    return neighbours


def reconcile(
    sums: FloatArray,
    positions: IntArray,
    *,
    smoothing: float,
    reference: int = 0,
    tolerance: float = 1e-8,
    max_steps: int = 100,
) -> FloatArray:
    """log θ (K,) that agrees best with all pairs of positions.

    Maximises Σ_{k≠k′} A[k, k′] log θ_k/(θ_k + θ_k′) (Bradley & Terry 1952) with the random-walk
    prior of ``smoothing_matrix``, by Newton's method; the objective is concave in log θ.
    """
    from scipy.special import expit

    both = sums + sums.T
    penalty = smoothing_matrix(positions, smoothing)
    free = np.arange(len(positions)) != reference
    beta = np.zeros(len(positions))
    for _ in range(max_steps):
        share = expit(beta[:, None] - beta[None, :])
        gradient = (sums - both * share).sum(1) - penalty @ beta
        if np.abs(gradient[free]).max(initial=0) <= tolerance * max(both.sum(), 1.0):
            break
        weight = both * share * share.T
        curvature = np.diag(weight.sum(1)) - weight + penalty
        inner = curvature[np.ix_(free, free)] + 1e-9 * np.eye(int(free.sum()))
        step = np.linalg.solve(inner, gradient[free])
        # log θ moves by at most 2 a step, within which the quadratic model holds.
        beta[free] += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
    return beta
