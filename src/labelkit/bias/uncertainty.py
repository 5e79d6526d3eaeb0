"""How sure is a curve? Clustered, since clicks on one query's items hang together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.poisson import ClickedCells

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Clusters beyond these are merged at random; their information matrices take this many numbers.
MOST_GROUPS = 1_000
MOST_NUMBERS = 4_000_000


def effective_df(clicks: FloatArray) -> float:
    """Degrees of freedom of clustered intervals: (Σ C_g)²/Σ C_g² − 1, at least 1.

    Under Zipf-like traffic a few queries hold most clicks, and the number of queries would
    promise far more independent evidence than there is (Carter, Schnepel & Steigerwald 2017).
    """
    square = float(clicks @ clicks)
    return max(float(clicks.sum()) ** 2 / square - 1, 1.0) if square else 1.0


def bootstrap_covariance(
    estimate: Callable[[FloatArray], FloatArray],
    *,
    n_clusters: int,
    n_bootstrap: int,
    seed: int,
) -> FloatArray:
    """Covariance (K, K) of an estimator over bootstrap samples of clusters.

    Parameters
    ----------
    estimate : from cluster weights (n_clusters,), how often each was drawn, to log θ (K,)
    """
    rng = np.random.default_rng(seed)
    even = np.full(n_clusters, 1 / n_clusters)
    draws = np.array(
        [estimate(rng.multinomial(n_clusters, even).astype(np.float64)) for _ in range(n_bootstrap)]
    )
    return np.atleast_2d(np.cov(draws, rowvar=False))


def jackknife_covariance(left_out: FloatArray) -> FloatArray:
    """Covariance (K, K) from estimates with one of G buckets left out, (G, K).

    V = (G−1)/G Σ_g (b_g − b̄)(b_g − b̄)ᵀ (Quenouille 1956; Tukey 1958).
    """
    n = len(left_out)
    centred = left_out - left_out.mean(0)
    covariance: FloatArray = centred.T @ centred * ((n - 1) / n)
    return covariance


@dataclass(frozen=True)
class GroupSums:
    """Score and information of every group of examples at one curve.

    ::

        scores       (G, K)
        information  (G, K, K)
    """

    scores: FloatArray
    information: FloatArray

    @classmethod
    def of(cls, beta: FloatArray, cells: ClickedCells, cluster: IntArray) -> GroupSums:
        """Groups are clusters, or random unions of them where there are very many."""
        size = len(beta)
        n_clusters = int(cluster.max(initial=0)) + 1
        n_groups = min(n_clusters, MOST_GROUPS, max(MOST_NUMBERS // size**2, 100))
        group = cluster % n_groups
        share, scores = shares_and_scores(beta, cells, group, n_groups)
        totals = cells.totals[cells.segment]
        sums = np.zeros(n_groups * size * size)
        n_cells, of_cell = len(cells.segment), group[cells.segment]
        longest = int(np.bincount(cells.segment).max(initial=0))
        for offset in range(longest):
            left = np.flatnonzero(cells.segment[: n_cells - offset] == cells.segment[offset:])
            right = left + offset
            both = share[left] * share[right] * totals[left]
            slot = (of_cell[left] * size + cells.index[left]) * size + cells.index[right]
            sums -= np.bincount(slot, both, len(sums))
            if offset == 0:
                # The diagonal of a multinomial's information is its expected counts.
                sums += np.bincount(slot, share * totals, len(sums))
        upper = sums.reshape(n_groups, size, size)
        diagonal = np.einsum("gkk->gk", upper)
        information = upper + upper.transpose(0, 2, 1)
        np.einsum("gkk->gk", information)[:] = diagonal.copy()
        return cls(scores, information)


def shares_and_scores(
    beta: FloatArray, cells: ClickedCells, group: IntArray, n_groups: int
) -> tuple[FloatArray, FloatArray]:
    """Expected share of its example's clicks for each cell (c,), and scores per group (G, K)."""
    size = len(beta)
    shown = cells.n * np.exp(beta)[cells.index]
    share = shown / cells.sum_by_example(shown)[cells.segment]
    residual = cells.clicks - share * cells.totals[cells.segment]
    slot = group[cells.segment] * size + cells.index
    scores = np.bincount(slot, residual, n_groups * size).astype(np.float64)
    return share, scores.reshape(n_groups, size)


def one_step_bootstrap(
    sums: GroupSums,
    basis: FloatArray,
    *,
    gradient: FloatArray,
    penalty: FloatArray,
    n_bootstrap: int,
    seed: int,
) -> FloatArray:
    """Covariance (K, K) of log θ over bootstrap samples of groups, one Newton step each.

    From a maximum, one Newton step on a resampled likelihood is as good as a refit up to terms of
    the order of the error itself (Davidson & MacKinnon 1999, *Bootstrap testing in nonlinear
    models*), and it needs no pass over the cells.

    Parameters
    ----------
    basis : (K, p) log θ moves in its columns only: one per free position, or one for a power law
    gradient : (K,) of the log prior at the estimate
    penalty : (K, K) precision of that prior
    """
    rng = np.random.default_rng(seed)
    n_groups = len(sums.scores)
    even = np.full(n_groups, 1 / n_groups)
    drawn = rng.multinomial(n_groups, even, n_bootstrap).astype(np.float64)
    scores = drawn @ (sums.scores @ basis) + basis.T @ gradient
    size = len(penalty)
    whole = (drawn @ sums.information.reshape(n_groups, -1)).reshape(-1, size, size) + penalty
    curvature = basis.T @ whole @ basis + 1e-9 * np.eye(basis.shape[1])
    steps = np.linalg.solve(curvature, scores[:, :, None])[:, :, 0]
    # As in the fit: log θ moves by at most 2, within which the quadratic model holds.
    steps *= np.minimum(1.0, 2.0 / np.maximum(np.abs(steps).max(1, initial=0), 1e-12))[:, None]
    return np.atleast_2d(np.cov(steps @ basis.T, rowvar=False))


def sandwich(scores: FloatArray, curvature: FloatArray, basis: FloatArray) -> FloatArray:
    """Clustered sandwich covariance (K, K) of log θ.

    V = H⁻¹ (Σ_g U_g U_gᵀ) H⁻¹ · G/(G−1), with U_g the score of cluster g and H the penalised
    information (Liang & Zeger 1986). It is what a bootstrap of clusters tends to, less its noise.

    Parameters
    ----------
    scores : (G, K) score of each cluster
    curvature : (K, K) H
    basis : as in ``one_step_bootstrap``
    """
    inner = basis.T @ curvature @ basis + 1e-9 * np.eye(basis.shape[1])
    bread = basis @ np.linalg.inv(inner) @ basis.T
    n_clusters = len(scores)
    meat = scores.T @ scores * (n_clusters / max(n_clusters - 1, 1))
    covariance: FloatArray = bread @ meat @ bread
    return covariance


def free_positions(size: int, reference: int) -> FloatArray:
    """Basis (K, K−1) in which every position but the reference moves."""
    basis: FloatArray = np.delete(np.eye(size), reference, axis=1)
    return basis
